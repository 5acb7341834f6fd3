"""What agents, judges and endpoints wrote, in a report's artifacts: neither of Prefect's UIs takes it for markup."""

from __future__ import annotations

import json
import runpy
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployments.demo.answers import derive_answer
from deployments.demo.judge import asked_schema, completion, is_team
from deployments.demo.loopback import LoopbackServer, Request, Response
from tasks.render.cells import literal
from tasks.settings import ReportOptions

_ui = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_screenshots.py"))
_browser_only = pytest.mark.skipif(_ui["find_chromium"]() is None, reason="there is no Chromium on this machine")
_WIDTHLESS = str.maketrans("", "", "\u2060\ufeff")
# At once: for each locator Playwright loads scripts of a quarter of a second into every page.
_READ = """() => ({
    text: document.body.innerText,
    links: [...document.querySelectorAll("a")].map(link => link.href),
    marked: document.querySelectorAll("main :is(script, iframe, svg image, style, del)").length,
})"""
_SHOWS = r"text => document.body.innerText.replace(/[\u2060\ufeff]/g, '').includes(text)"


def _attacks(url: str) -> list[str]:
    """Short enough for a cell, which is cut."""
    return [
        f"<img src={url}/a>",
        f'<img src="{url}/b"> `<img src={url}/c>`',
        f"![x]({url}/d) [x]({url}/e)",
        f"<script>fetch('{url}/f')</script>",
        f"{url}/g www.evil.example me@evil.example",
        f"<a href={url}/h>x</a> <{url}/i>",
        f"&lt;img src={url}/j&gt; \\<img src={url}/k>",
        "# **one** _two_ ~~three~~ *four* a_b_c 2*3",
        f"[x]: {url}/l",
        f"<svg><image href={url}/m /></svg> <style>@import '{url}/n'</style>",
    ]


@dataclass
class _Seen:
    """What a browser showed and did: the text of each page, its links, and whatever went to the attacks' server."""

    texts: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    marked: int = 0
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def trap() -> Iterator[LoopbackServer]:
    """The server that the attacks are for: nothing is ever asked of it."""
    with LoopbackServer(lambda request: Response(404, b"")) as server:
        yield server


def _respond(attacks: list[str]) -> Callable[[dict[str, Any], Request], Response | None]:
    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        evidence = payload["messages"][1]["content"]
        if not is_team(payload) and "status 404" in evidence:
            return None
        if not is_team(payload) and "# Agent\n| a0" in evidence:
            error = {"error": {"message": attacks[0], "code": "x"}}
            return Response(400, json.dumps(error).encode())
        answer = derive_answer(evidence, asked_schema(payload))
        for name, value in answer.items():
            if isinstance(value, str):
                answer[name] = " ".join(attacks) if is_team(payload) else attacks[len(evidence) % len(attacks)]
            elif name in ("strengths", "weaknesses", "recommendations"):
                answer[name] = attacks[:3]
        return Response(body=json.dumps(completion(json.dumps(answer))).encode())

    return respond


def _look(page: Any, url: str, report: dict[str, Any], version: str, trap: LoopbackServer) -> _Seen:
    """What ``page``, which is logged in, shows of the report in this version of the UI."""
    seen = _Seen()
    base = f"{url}/v2" if version == "v2" else url
    page.context.add_cookies([{"name": "prefect_ui_version", "value": version, "url": url}])

    def note(request: Any) -> None:
        if trap.url in request.url:
            seen.requests.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: seen.requests.append(dialog.message))
    run = f"{base}/runs/flow-run/{report['flow_run_id']}"
    # The older UI opens the list by a click alone; it shows the same cards as the pages of the keys.
    places = {"run": run, "list": f"{run}?tab=Artifacts"} if version == "v2" else {"run": run}
    for name, artifact in _artifacts(report).items():
        places |= {name: f"{base}/artifacts/artifact/{artifact['id']}"}
        places |= {f"{name} key": f"{base}/artifacts/key/{artifact['key']}"}
    for name, place in places.items():
        page.goto(place)
        # The run's page without its artifacts has the environment; every other has a key of an artifact, which those
        # that are looked into show before their text.
        words = {"run": "env2", "table": f"<img src={trap.url}/env>", "markdown": f"<img src={trap.url}/a>"}
        page.wait_for_function(_SHOWS, arg=words.get(name, "report-1"))
        assert (f"{url}/v2/" in page.url) is (version == "v2"), page.url
        page.wait_for_timeout(300)
        found = page.evaluate(_READ)
        seen.texts[name] = found["text"].translate(_WIDTHLESS)
        # Prefect's view of logs makes links of addresses, which are what they say.
        if name != "run":
            seen.links += [f"{name}: {link}" for link in found["links"]]
        seen.marked += found["marked"]
    return seen


def _artifacts(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    from uuid import UUID

    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(report["flow_run_id"])]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    return {str(artifact.type): {"id": artifact.id, "key": artifact.key} for artifact in found}


@_browser_only
def test_no_artifact_of_a_report_is_markup_in_either_ui(
    make_world: Callable[..., Any], api_password: str, trap: LoopbackServer, tmp_path: Path
) -> None:
    from prefect.settings import PREFECT_API_URL

    from flows.generate_report import generate_report

    attacks = _attacks(trap.url)
    world = make_world(full=True, respond=_respond(attacks))
    environment = f"<img src={trap.url}/env> [x]({trap.url}/env2)"
    with sqlite3.connect(tmp_path / "source.db") as source:
        source.execute("UPDATE environments SET name = ?", [environment])
        for number, attack in enumerate(attacks):
            source.execute("UPDATE agents SET name = ? WHERE id = ?", [f"a{number} {attack}", number + 1])
    options = ReportOptions(judge_model="simulated-judge")
    generate_report(environment, name=attacks[2], options=options, return_state=True)
    report = world.warehouse.list_reports()[0]
    assert (report["status"], report["agents_failed"]) == ("completed", 1)
    url = str(PREFECT_API_URL.value()).removesuffix("/api")
    with _ui["open_browser"](width=1280) as page:
        _ui["log_in"](page, f"{url}/v2", api_password)
        both = [_look(page, url, report, version, trap) for version in ("v2", "v1")]
    for seen in both:
        assert [link for link in seen.links if f" {trap.url}" in link or "evil" in link] == []
        assert seen.requests == []
        assert trap.requests == []
        assert seen.marked == 0
        table = seen.texts["table"]
        # Of the fourteen agents ten are on the table's first page, names cut.
        begun = [attack[:40].replace("`", "\u02cb").rstrip() for attack in attacks]
        assert sum(attack in table for attack in begun) >= 6, table
        assert f"<img src={trap.url}/env>" in seen.texts["table"]
        assert attacks[0] in seen.texts["markdown"]


@pytest.mark.parametrize(
    "text", ["access-broker", "snake_case and R&D, 3 < 5 > 2", "Was (7 of 20) e.g. 50 % [sic]", ""]
)
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    assert literal(text) == text


def test_a_cell_shows_what_turns_it_around() -> None:
    assert literal("a\u202eb\x00c\nd") == "a[U+202E]b\ufffdc d"
