"""The page as people use it: by eye, by ear, by keyboard, on a phone, on paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tasks.render.html.html import render_html
from tasks.render.html.page import Page

_PHONE, _PAPER = {"width": 390, "height": 844}, {"width": 794, "height": 1123}
_WORDS = "The tool said no and the agent went on as if it had said yes. "
_OPEN_ALL = "document.querySelectorAll('details').forEach(item => { item.open = true })"
# Colours are most of axe's work. An element with the tags and classes of an earlier one, in it and around it, has its
# colours (the styles count cells of a row and odd items of a list): it is emptied and keeps its place.
_COLOUR_RULES = ("color-contrast", "link-in-text-block")
_LEAVE_OUT_REPEATS = """() => {
    const own = (element, place) => [
        element.tagName, element.tagName === "TD" ? place : element.tagName === "LI" ? place % 2 : "",
        ...[...element.attributes].map(({name, value}) => ["class", "role"].includes(name) ? name + value : name),
        [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()),
    ].join(" ");
    const shape = (element, place) => `<${own(element, place)}${[...element.children].map(shape).join("")}>`;
    const seen = new Set();
    const walk = (element, path) => [...element.children].forEach((child, place) => {
        const key = path + shape(child, place);
        if (seen.has(key)) {
            child.replaceChildren();
            child.style.setProperty("display", "none", "important");
        } else {
            seen.add(key);
            walk(child, `${path}${own(child, place)} > `);
        }
    });
    walk(document.body, "");
}"""
_KINDS = """() => [...new Set([...document.body.querySelectorAll("*")].map(element => {
    const path = [];
    for (; element !== document.body; element = element.parentElement)
        path.push(`${element.tagName}.${element.className.baseVal ?? element.className}`);
    return path.join(" ");
}))].sort()"""


@pytest.fixture(scope="module")
def place(make_page: Callable[..., Page], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(make_page(lambda name: f"{name.rpartition('.')[2]}: {_WORDS}", agents=7)))
    return path.as_uri()


def _open(browser: Any, place: str, **context: Any) -> Any:
    page = browser.new_context(reduced_motion="reduce", **context).new_page()
    page.goto(place)
    return page


def _violations(page: Any, **options: Any) -> list[tuple[Any, ...]]:
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        (
            item["id"],
            item["impact"],
            len(item["nodes"]),
            item["nodes"][0]["html"][:200],
            item["nodes"][0]["failureSummary"],
        )
        for item in found
        if item["impact"] in ("serious", "critical", "moderate")
    ]


@pytest.fixture(scope="module")
def still(place: str, browser: Any) -> Iterator[Any]:
    """The page, for tests that only read it."""
    page = _open(browser, place)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def colours(place: str, browser: Any) -> Iterator[Any]:
    """The page with every kind of element open, few of each."""
    page = _open(browser, place, bypass_csp=True)
    page.evaluate(_OPEN_ALL)
    kinds = page.evaluate(_KINDS)
    page.evaluate(_LEAVE_OUT_REPEATS)
    assert page.evaluate(_KINDS) == kinds
    yield page
    page.context.close()


@pytest.mark.parametrize("look", ["screen", "phone", "print"])
def test_axe_finds_nothing_serious(look: str, place: str, browser: Any) -> None:
    """But for colours, see below; on a dark screen nothing else is different."""
    sizes = {"phone": {"viewport": _PHONE}, "print": {"viewport": _PAPER}}
    page = _open(browser, place, bypass_csp=True, **sizes.get(look, {}))
    page.emulate_media(media="print" if look == "print" else "screen")
    page.evaluate(_OPEN_ALL)
    if look != "screen":
        # Every agent is open on a screen; otherwise one that fails and one that passes are.
        page.evaluate(
            """[...document.querySelectorAll("details.agent")].filter((_, place) => ![1, 3].includes(place))
                .forEach(item => { item.open = false })"""
        )
        assert page.locator("details.agent[open] .chip").count() > 2
    assert not _violations(page, rules={rule: {"enabled": False} for rule in _COLOUR_RULES})
    page.context.close()


@pytest.mark.parametrize(
    ("scheme", "media", "viewport"),
    [
        ("light", "screen", {"width": 1280, "height": 720}),
        ("dark", "screen", {"width": 1280, "height": 720}),
        ("light", "screen", _PHONE),
        ("light", "print", _PAPER),
    ],
    ids=["light", "dark", "phone", "print"],
)
def test_axe_finds_no_colours_that_are_hard_to_read(scheme: Any, media: Any, viewport: Any, colours: Any) -> None:
    colours.set_viewport_size(viewport)
    colours.emulate_media(color_scheme=scheme, media=media)
    assert not _violations(colours, runOnly=_COLOUR_RULES)


def test_nothing_is_wider_than_a_phone(
    place: str, make_page: Callable[..., Page], browser: Any, tmp_path: Path
) -> None:
    long = tmp_path / "long.html"
    long.write_text(render_html(make_page(lambda name: name.replace("_", "") * 20, agents=3)))
    page = _open(browser, place, viewport=_PHONE)
    for uri in (place, long.as_uri()):
        page.goto(uri)
        page.evaluate(_OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.context.close()


def test_on_a_phone_no_name_breaks_within_a_word_and_what_goes_on_has_a_shadow(
    make_page: Callable[..., Page], browser: Any, tmp_path: Path
) -> None:
    report = make_page(agents=1, spans=12)
    report.agents[0]["tool_usage"][0].update(name="grant_access", calls=27, errors=19)
    for run in report.runs:
        for span in run["waterfall"] or ():
            span["name"] = "agent_execution_engine.execute"
    path = tmp_path / "phone.html"
    path.write_text(render_html(report))
    page = _open(browser, path.as_uri(), viewport=_PHONE)
    page.evaluate(_OPEN_ALL)
    lines = "name => { const range = document.createRange(); range.selectNodeContents(name); "
    lines += "return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size }"
    assert page.locator(".tools code").first.evaluate(lines) == 1
    assert page.locator(".wf bdi").first.evaluate(lines) == 1
    for region in page.locator(".scroll.card").all():
        assert "local" in region.evaluate("card => getComputedStyle(card).backgroundAttachment")
    page.context.close()


def test_headings_are_in_order(still: Any) -> None:
    levels = still.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(head => +head.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_table_sorts_by_keyboard_and_announces_it(place: str, browser: Any) -> None:
    page = _open(browser, place)
    head = page.locator("table.agents thead")

    def scores() -> list[float | None]:
        cells = page.locator("table.agents tbody td:nth-child(5)").evaluate_all("all => all.map(td => td.dataset.sort)")
        return [float(cell) if cell else None for cell in cells]

    head.get_by_role("button", name="Score").focus()
    for direction, reverse in (("descending", True), ("ascending", False)):
        page.keyboard.press("Enter")
        page.wait_for_timeout(60)
        assert head.locator("th[aria-sort]").count() == 1
        assert head.locator(f"th[aria-sort={direction}]").inner_text().startswith("Score")
        found = scores()
        known = [score for score in found if score is not None]
        assert known == sorted(known, reverse=reverse)
        # What has no score is last either way, never first as if it were a zero.
        assert found == known + [None] * (len(found) - len(known))
        assert len(known) == 3
    page.context.close()


def test_the_filter_leaves_what_fits(make_page: Callable[..., Page], browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(make_page(agents=7)))
    page = _open(browser, path.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Filter agents").fill("failed")
    assert page.locator("tr[data-agent]:visible").count() == 1
    assert page.locator("details.agent:visible").count() == 1
    assert page.locator("#found").inner_text() == "1 of 7 agents"
    page.get_by_label("Filter agents").fill("")
    assert page.locator("tr[data-agent]:visible").count() == 7
    page.context.close()


def test_a_citation_leads_to_the_excerpt_of_its_run(place: str, browser: Any) -> None:
    page = _open(browser, place)
    link = page.locator("#a2 .cites a").first
    run = link.get_attribute("href")[1:]
    page.evaluate("document.getElementById('a2').open = true")
    link.click()
    page.wait_for_timeout(50)
    assert page.locator(f"#{run}").evaluate("run => run.open && run.closest('details.agent').id") == "a2"
    assert page.get_by_text("response_excerpt", exact=False).locator("visible=true").count() > 0
    # So does a link from the outside into a section that is closed.
    other = page.context.new_page()
    other.goto(f"{place}#r3-3001")
    assert other.locator("#r3-3001").evaluate("run => run.open && run.closest('details.agent').open")
    page.context.close()


def test_every_link_leads_somewhere(still: Any) -> None:
    lost = """[...document.querySelectorAll("a[href^='#']")]
        .filter(link => !document.getElementById(link.getAttribute("href").slice(1)))"""
    assert still.evaluate(f"{lost}.length") == 0
    ids = still.evaluate("[...document.querySelectorAll('[id]')].map(found => found.id)")
    assert len(ids) == len(set(ids))


def test_the_theme_follows_the_system_until_it_is_chosen(place: str, browser: Any) -> None:
    page = _open(browser, place, color_scheme="dark")
    light = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(light)
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(light) != dark
    page.reload()
    assert page.evaluate(light) != dark
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(light) == dark
    page.context.close()


@pytest.mark.parametrize(("agents", "most"), [(14, 13), (100, 30)])
def test_on_paper_it_is_a_report_and_not_a_book(
    agents: int, most: int, make_page: Callable[..., Page], browser: Any, tmp_path: Path
) -> None:
    """With twice as many agents that need attention as fit, and long words of the judge in every place."""
    path = tmp_path / "report.html"

    def text_of(field: str) -> str:
        short = any(word in field for word in ("name", "criterion", "tool", "model", "status", "state"))
        return field[-16:] if short else f"{field[-12:]}: {_WORDS * 4}"

    path.write_text(render_html(make_page(text_of, agents=agents, runs=20)))
    page = _open(browser, path.as_uri())
    sheets = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) <= most
    # A reader who wants more of an agent opens it first.
    if agents == 14:
        page.evaluate("[...document.querySelectorAll('details.agent')].slice(-2).forEach(item => { item.open = true })")
        more = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", more)) > len(re.findall(rb"/Type\s*/Page\b", sheets))
    page.context.close()


def test_on_paper_the_agents_are_open_that_need_work(place: str, browser: Any, tmp_path: Path) -> None:
    page = _open(browser, place)
    closed = "[...document.querySelectorAll('details.paper, .paper .cited')].filter(item => !item.open).length"
    before = page.evaluate(closed)
    assert before > 3
    page.emulate_media(media="print")
    assert page.locator("details.agent:visible").count() == page.locator("details.paper").count() == 3
    assert page.locator(".paper-only").first.is_visible()
    assert (
        not page.locator("details.paper .tools, details.paper .wf, details.paper .run:not(.cited)")
        .filter(visible=True)
        .count()
    )
    page.emulate_media(media="screen")
    assert not page.locator(".paper-only").first.is_visible()
    page.evaluate(f"window.open_at = null; addEventListener('beforeprint', () => {{ window.open_at = {closed} }})")
    page.pdf(path=tmp_path / "report.pdf", format="A4", page_ranges="1")
    assert page.evaluate("window.open_at") == 0
    assert page.evaluate(closed) == before
    page.context.close()


def test_it_can_be_read_without_its_script(place: str, browser: Any) -> None:
    page = _open(browser, place, java_script_enabled=False)
    assert page.get_by_role("heading", name="Agent by agent").is_visible()
    assert not page.locator("#theme").is_visible()
    page.locator("#a2 > summary").click()
    assert page.locator("#a2 .criterion").first.is_visible()
    page.context.close()
