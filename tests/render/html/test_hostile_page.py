"""What agents, judges and traces wrote, in every column of the four tables: a real browser runs none of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from tasks.render.html.html import render_html
from tasks.render.html.page import Page
from tasks.render.html.untrusted_text import LONGEST, tame
from tasks.wire.trace_pages import find_trace_pages

_RUN = "window.__pwned=(window.__pwned||0)+1;alert(1)"
ATTACKS = {
    "script": f"</script><script>{_RUN}</script>",
    "end of the style": f"</style></title></textarea><script>{_RUN}</script>",
    "event handler": f'"><img src=x onerror="{_RUN}">',
    "attribute": f"\" onmouseover=\"{_RUN}\" autofocus onfocus='{_RUN}' x='",
    "svg": f"<svg onload=\"{_RUN}\"><animate onbegin='{_RUN}'/><foreignObject><body onload='{_RUN}'></svg>",
    "frame": f'<iframe srcdoc="<script>parent.{_RUN}</script>" src="https://evil.example"></iframe>',
    "link": f'<a href="javascript:{_RUN}">x</a> [x](javascript:{_RUN}) ![x](https://evil.example/x.png)',
    "style": "<style>@import 'https://evil.example';</style><link rel=stylesheet href=https://evil.example>",
    "base and form": "<base href=https://evil.example><form action=https://evil.example><button formaction=x>",
    "template": "{{7*7}} {% raw %} {{ ''.__class__.__mro__ }} ${7*7} #{7*7}",
    "turned around": "\u202egnp.exe\u202c \u2066abc \u2067def",
    "bytes": "a\x00b\x1b[31m\ud800c\udfff\ufffe\x85d",
    "long": "w" * 100_000,
}


def _open(browser: Any, html: str, tmp_path: Path, **context: Any) -> tuple[Any, dict[str, list[str]]]:
    """The page in a browser, everything opened, and what happened meanwhile."""
    seen: dict[str, list[str]] = {"dialogs": [], "requests": [], "errors": []}
    place = tmp_path / "report.html"
    place.write_bytes(html.encode())
    page = browser.new_context(**context).new_page()

    def dismiss(dialog: Any) -> None:
        seen["dialogs"].append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: seen["errors"].append(str(error)))
    # One that the policy stopped is reported as well; nothing has left for it.
    page.on("requestfinished", lambda request: seen["requests"].append(request.url))
    page.on("requestfailed", lambda request: "csp" in request.failure or seen["requests"].append(request.url))
    page.goto(place.as_uri())
    page.evaluate(
        """() => document.querySelectorAll("*").forEach(element => {
            if (element.tagName === "DETAILS") element.open = true;
            for (const name of ["mouseover", "mouseenter", "focus", "error", "load", "toggle", "animationstart"])
                element.dispatchEvent(new Event(name, {bubbles: false}));
        })"""
    )
    page.wait_for_timeout(60)
    return page, seen


# Each page has a few of them in every text; the long one is last, as what comes after it would be cut off.
_PAGES = (
    ("turned around", "bytes", "script", "event handler", "attribute", "template"),
    ("end of the style", "frame", "link"),
    ("svg", "style", "base and form", "long"),
)


@pytest.mark.parametrize("names", _PAGES, ids=", ".join)
def test_a_browser_runs_none_of_it(
    names: tuple[str, ...], make_page: Callable[..., Page], browser: Any, tmp_path: Path
) -> None:
    asked: set[str] = set()
    attacks = {name: ATTACKS[name].replace("alert(1)", f"alert({list(ATTACKS).index(name)})") for name in names}

    def text_of(name: str) -> str:
        asked.add(name)
        return f"{''.join(attacks.values())}{name}"

    html = render_html(make_page(text_of, agents=3))
    assert len(asked) >= 60
    # In most places none of them is cut off.
    for attack in attacks.values():
        assert html.count(str(escape(tame(attack, 50 if len(attack) > LONGEST else LONGEST)).partition("…")[0])) > 200
    # The escaping has to hold alone: the policy, which would stop all of it, is left out here.
    page, seen = _open(browser, html, tmp_path, bypass_csp=True)
    # A dialog names which of them it was.
    assert seen["dialogs"] == []
    assert page.evaluate("window.__pwned") is None
    assert seen["errors"] == []
    assert [url for url in seen["requests"] if not url.startswith("file:")] == []
    assert len(seen["requests"]) == 1
    assert page.locator("script, style").count() == 2
    assert page.locator("iframe, img, object, embed, base, link, foreignObject, animate, textarea").count() == 0
    on = """() => [...document.querySelectorAll("*")].flatMap(element => [...element.attributes])
        .filter(found => found.name.startsWith("on") || found.name === "style" || found.name === "srcdoc").length"""
    assert page.evaluate(on) == 0
    links = page.evaluate("[...document.querySelectorAll('[href]')].map(link => link.getAttribute('href'))")
    assert links
    assert not [link for link in links if not link.startswith(("#", "https://jaeger.example.com/trace/"))]
    if "template" in names:
        assert page.get_by_text("{{7*7}}").count() > 50
    page.context.close()


def test_each_of_them_is_in_a_page() -> None:
    assert sorted(name for names in _PAGES for name in names) == sorted(ATTACKS)


def test_every_text_is_valid_and_short(make_page: Callable[..., Page]) -> None:
    for attack in ("bytes", "turned around", "long"):
        html = render_html(make_page(lambda name, attack=attack: ATTACKS[attack] + name, agents=3))  # type: ignore[misc]
        assert html.encode().decode() == html
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
        assert not re.search(rf"w{{{LONGEST + 1}}}", html)
        assert len(html) < 2_000_000


def test_what_is_tamed_can_still_be_read() -> None:
    assert tame("a\u202eb\u202c") == "a[U+202E]b[U+202C]"
    assert tame("a\x00b\ud800") == "a\ufffdb\ufffd"
    assert tame("שלום عليكم 👩‍👩‍👧 e\u0301\tx\r\ny") == "שלום عليكم 👩‍👩‍👧 e\u0301\tx\ny"
    assert tame("x" * 500, 400) == "x" * 400 + "… [100 more characters]"
    assert tame("x" * 50, 10) == "x" * 10 + "…"


def test_texts_that_run_the_other_way_do_not_turn_what_is_around_them(
    make_page: Callable[..., Page], browser: Any, tmp_path: Path
) -> None:
    page, _ = _open(browser, render_html(make_page(lambda name: "\u05e9\u05dc\u05d5\u05dd 7", agents=3)), tmp_path)
    assert page.locator("td bdi, h3 bdi, p bdi").count() > 30
    isolated = "[...document.querySelectorAll('bdi')].every(each => getComputedStyle(each).unicodeBidi === 'isolate')"
    assert page.evaluate(isolated)
    # What is no text of theirs keeps its place: the score of an agent stays right of its name.
    name, score = (page.locator(f"details.agent >> nth=0 >> {part}").bounding_box() for part in ("h3 bdi", ".score"))
    assert name["x"] < score["x"]
    page.context.close()


def test_the_policy_holds_alone(make_page: Callable[..., Page], browser: Any, tmp_path: Path) -> None:
    """Were the escaping to fail: nothing foreign runs, loads or is sent, and the page's own script and style do."""
    planted = (
        f"<script>{_RUN}</script><img src='https://evil.example/x.png' onerror='{_RUN}'><svg onload='{_RUN}'></svg>"
        "<iframe src='https://evil.example'></iframe><link rel=stylesheet href='https://evil.example/x.css'>"
        f"<a id=bad href=\"javascript:{_RUN}\">x</a><form id=sent action='https://evil.example'></form>"
        "<p id=styled style='color: rgb(1, 2, 3)'>x</p><base href='https://evil.example'>"
    )
    html = render_html(make_page(agents=2)).replace("<main", f"{planted}<main", 1)
    page, seen = _open(browser, html, tmp_path)
    page.evaluate("document.getElementById('bad').click()")
    page.evaluate("document.getElementById('sent').submit()")
    page.wait_for_timeout(200)
    assert page.evaluate("window.__pwned") is None
    assert seen["dialogs"] == []
    assert [url for url in seen["requests"] if url.startswith("http")] == []
    assert page.evaluate("getComputedStyle(document.getElementById('styled')).color") != "rgb(1, 2, 3)"
    assert page.evaluate("document.baseURI").startswith("file:")
    assert page.locator("#theme").is_visible()
    page.context.close()


def test_a_url_that_is_none_of_the_web_is_no_link(make_page: Callable[..., Page]) -> None:
    assert 'class="trace"' not in render_html(
        make_page(agents=2, trace_pages=find_trace_pages(jaeger_ui_url=f"javascript:{_RUN}//"))
    )
    assert render_html(make_page(agents=2)).count("https://jaeger.example.com/trace/4bf92f3577b34da6") > 5
