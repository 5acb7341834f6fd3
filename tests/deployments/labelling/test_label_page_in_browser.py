"""The labelling page in a real browser: its forms work, and a page of another origin stores nothing."""

from __future__ import annotations

import runpy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from deployments.demo.loopback import LoopbackServer, Response
from deployments.labelling.labelled_report import LabelledReport
from deployments.labelling.page import LabellingPage
from deployments.labelling.server import base_path, listen, new_secret, open_server
from tasks.calibration.label_sample import choose_runs
from tasks.warehouse.labels import load_labels
from tasks.warehouse.sql import open_warehouse

_ROOT = Path(__file__).parents[3]
_ui = runpy.run_path(str(_ROOT / "docs" / "make_screenshots.py"))
_NAME = "evil.example"
_SECONDS = 60
_EVIL = "<!doctype html><title>x</title><form method=post><input name=answer-0 value=yes></form>"
pytestmark = pytest.mark.skipif(_ui["find_chromium"]() is None, reason="there is no Chromium on this machine")


@dataclass(frozen=True, slots=True)
class Served:
    """The link to a sample, and the report behind it."""

    link: str
    report: LabelledReport

    def stored(self) -> list[tuple[str, bool | None]]:
        labels = load_labels(self.report.warehouse.database, "prod")
        return [(label.criterion, label.passed) for label in labels]


@pytest.fixture
def served(tmp_path: Path, write_label_report: Callable[..., str]) -> Iterator[Served]:
    report = LabelledReport(open_warehouse(write_label_report(tmp_path)), 1)
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=2, seed=0, only={"1"})
    secret = new_secret()
    with listen(0) as listener:
        server = open_server(LabellingPage(report, chosen, "ana", blind=True, base=base_path(secret)), secret, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}{base_path(secret)}", report)
        server.should_exit = True
        thread.join(_SECONDS)
    report.warehouse.close()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser for which a name of the attacker's leads to this computer, as after DNS rebinding."""
    arguments = [*_ui["_ARGUMENTS"], f"--host-resolver-rules=MAP {_NAME} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_ui["find_chromium"](), args=arguments)
        yield browser.new_page()
        browser.close()


def test_a_person_answers_and_the_page_can_be_used_by_everyone(page: Page, served: Served) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto(served.link)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("group", name="Did it do its task?").get_by_label("No", exact=True).check()
    page.get_by_role("group", name="tone").get_by_label("It passes").check()
    page.get_by_label("Why?").fill("<b>too slow</b>")
    page.get_by_role("button").click()
    assert page.url.endswith("/run/2")
    assert served.stored() == [("(success)", False), ("tone", True)]
    page.get_by_role("link", name="End").click()
    assert page.get_by_role("cell", name="Did it do its task?").is_visible()
    assert Axe().run(page).violations_count == 0
    assert problems == []


def test_a_page_of_another_origin_that_knows_the_link_stores_nothing(page: Page, served: Served) -> None:
    with LoopbackServer(lambda _: Response(body=_EVIL.encode(), headers={"Content-Type": "text/html"})) as evil:
        for link in (
            served.link,
            served.link.replace("127.0.0.1", "localhost"),
            served.link.replace("127.0.0.1", _NAME),
        ):
            page.goto(evil.url)
            page.evaluate(f"document.forms[0].action = '{link}run/1'; document.forms[0].submit()")
            page.wait_for_url(f"{link}run/1")
            assert "Refused" in page.content()
            page.goto(evil.url)
            read: Any = page.evaluate(f"fetch('{link}run/1').then(answer => answer.text(), () => 'refused')")
            assert read == "refused"
    # The name of the attacker leads here, and the page is not shown under it.
    page.goto(served.link.replace("127.0.0.1", _NAME) + "run/1")
    assert "Refused" in page.content()
    assert served.stored() == []
