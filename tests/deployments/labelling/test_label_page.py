"""The labelling page: what is answered is stored, and only requests with the secret of the link are served."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.labelling.labelled_report import LabelledReport
from deployments.labelling.page import LONGEST_NOTE, LabellingPage
from deployments.labelling.server import base_path, listen, new_secret, open_server
from tasks.calibration.label_sample import choose_runs
from tasks.errors import RefusedError
from tasks.warehouse.labels import load_labels, load_notes
from tasks.warehouse.sql import open_warehouse

_SECONDS = 60


@dataclass
class Served:
    """A served sample: its address with the secret, a client without cookies or redirects, and the report behind it."""

    link: str
    port: int
    http: httpx.Client
    report: LabelledReport

    def post(self, number: int, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
        return self.http.post(f"{self.link}run/{number}", data=form, headers=headers or {})

    def stored(self) -> list[tuple[str | None, str, bool | None, bool | None, bool | None]]:
        labels = load_labels(self.report.warehouse.database, "prod")
        return [(one.run_id, one.criterion, one.passed, one.judge_passed, one.judge_on_run) for one in labels]


@contextmanager
def _serving(url: str, *, blind: bool = True, count: int = 3) -> Iterator[Served]:
    report = LabelledReport(open_warehouse(url), 1)
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=count, seed=0, only={"1", "2"})
    secret = new_secret()
    with listen(0) as listener, httpx.Client(trust_env=False, timeout=_SECONDS) as http:
        page = LabellingPage(report, chosen, "ana", blind=blind, base=base_path(secret))
        server = open_server(page, secret, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        port = listener.getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}{base_path(secret)}", port, http, report)
        http.close()
        server.should_exit = True
        thread.join(_SECONDS)
    report.warehouse.close()


@pytest.fixture
def serve(tmp_path: Path, write_label_report: Callable[..., str]) -> Iterator[Callable[..., Served]]:
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(_serving(write_label_report(tmp_path), **how))


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, write_label_report: Callable[..., str]) -> Iterator[Served]:
    """One page for all tests in which nothing is stored."""
    with _serving(write_label_report(tmp_path_factory.mktemp("untouched"))) as served:
        yield served


def test_answers_are_stored_and_the_judges_verdicts_are_shown_at_the_end(serve: Callable[..., Served]) -> None:
    served = serve()
    first = served.http.get(served.link)
    assert (first.status_code, first.headers["location"]) == (303, first.headers["location"])
    page = served.http.get(f"http://127.0.0.1:{served.port}{first.headers['location']}")
    assert page.status_code == 200
    assert "Did it do its task?" in page.text
    assert page.text.index("Did it do its task?") < page.text.index("accuracy")
    assert "wrong amount" not in page.text
    assert "The judge" not in page.text
    answer = served.post(1, **{"answer-0": "no", "answer-1": "yes", "answer-2": "", "note": "  too much\n"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base_of(served)}run/2")
    run_id = served.stored()[0][0]
    agent = str(run_id)[0]
    assert served.stored() == [
        (run_id, "(success)", False, agent == "1", True),
        (run_id, "accuracy", True, agent == "1", True),
    ]
    assert list(load_notes(served.report.warehouse.database, "prod").values()) == ["too much"]
    # The start leads to the next run that is open, and the end shows both verdicts for what is answered.
    assert served.http.get(served.link).headers["location"].endswith("run/2")
    end = served.http.get(f"{served.link}end").text
    assert len(re.findall(r"<td><bdi>accuracy</bdi></td>", end)) == 1
    assert "tone" not in end
    # What is answered is shown as such, and can be changed.
    assert re.search(r'name="answer-0" value="no" checked', served.http.get(f"{served.link}run/1").text)
    served.post(1, **{"answer-0": "yes"})
    assert served.stored()[0][:3] == (run_id, "(success)", True)
    assert served.post(3, **{"answer-0": "yes"}).headers["location"].endswith("/end")


def base_of(served: Served) -> str:
    return "/" + served.link.split("/", 3)[3]


def test_nothing_that_agents_wrote_is_markup_and_the_policy_allows_nothing(serve: Callable[..., Served]) -> None:
    served = serve(blind=False, count=6)
    for number in range(1, 7):
        answer = served.http.get(f"{served.link}run/{number}")
        assert "<b>" not in answer.text
        assert "\x1b" not in answer.text
        assert "The judge: <bdi>" in answer.text
        assert "<script" not in answer.text
        policy = answer.headers["content-security-policy"]
        nonce = re.search(r"style-src 'nonce-([\w-]+)'", policy)
        assert nonce is not None
        assert f'<style nonce="{nonce[1]}">' in answer.text
        assert policy.startswith("default-src 'none'; ")
        assert "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
    # The name of the first agent is markup.
    pages = [served.http.get(f"{served.link}run/{number}").text for number in range(1, 7)]
    assert any("&lt;b&gt;" in page for page in pages)


_WITHOUT = ("/", "/{wrong}/", "/{wrong}/run/1", "/{wrong}/end", "/{secret}", "/run/1", "//run/1")
_BEYOND = ("/{secret}/run/99", "/{secret}/run/0", "/{secret}/run/x", "/{secret}/other")


@pytest.mark.parametrize("path", [*_WITHOUT, *_BEYOND])
def test_without_the_secret_there_is_nothing(untouched: Served, path: str) -> None:
    secret = base_of(untouched).strip("/")
    url = f"http://127.0.0.1:{untouched.port}" + path.format(secret=secret, wrong=secret[:-1] + "é")
    for method in ("GET", "POST"):
        answer = untouched.http.request(method, url, data={"answer-0": "yes"} if method == "POST" else None)
        assert answer.status_code in (404, 405), answer.text
        assert "accuracy" not in answer.text
        assert secret not in answer.text
    assert untouched.stored() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example.com"},
        {"host": "127.0.0.1:1"},
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_requests_of_other_pages_are_refused_with_the_secret_too(
    serve: Callable[..., Served], headers: dict[str, str]
) -> None:
    served = serve()
    assert served.post(1, headers, **{"answer-0": "yes"}).status_code == 403
    assert served.http.get(f"{served.link}run/1", headers=headers).status_code == 403
    assert served.stored() == []
    ours = {"origin": f"http://127.0.0.1:{served.port}"}
    assert served.post(1, ours, **{"answer-0": "yes"}).status_code == 303


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        ("answer-0=maybe", None, "'maybe' is no answer"),
        ("answer-9=yes", None, "'answer-9' is no field"),
        ("answer-0=yes&answer-0=no", None, "twice"),
        ("answer-0=yes&note=" + "x" * (LONGEST_NOTE + 1), None, "at most"),
        ("answer-0=%ff", None, "cannot be read"),
        ("x" * 200_000, None, "more than"),
        ('{"answer-0": "yes"}', "application/json", "is no form"),
        ("answer-0=yes", "text/plain", "is no form"),
    ],
)
def test_a_form_with_anything_wrong_stores_nothing(untouched: Served, body: str, kind: str | None, why: str) -> None:
    headers = {"content-type": kind or "application/x-www-form-urlencoded"}
    answer = untouched.http.post(f"{untouched.link}run/1", content=body.encode(), headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert why in answer.text
    assert untouched.stored() == []


def test_a_port_that_is_taken_is_named(serve: Callable[..., Served]) -> None:
    served = serve()
    with pytest.raises(RefusedError, match=rf"--port {served.port} cannot be listened on"):
        listen(served.port)


def test_the_command_serves_until_it_is_interrupted(command: Any, write_label_report: Callable[..., str]) -> None:
    write_label_report(command.folder)
    process = command.start(
        "label", "1", "--serve", "--labeler", "ana", AGENT_REPORT_WAREHOUSE_URL="sqlite:///warehouse.db"
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert "Note: excerpts are shown instead of the source's runs: no source: set AGENT_REPORT_SOURCE_URL" in lines[0]
    assert "18 runs to label, as ana" in lines[1]
    link = lines[2].strip()
    answer = httpx.get(link, trust_env=False, timeout=_SECONDS)
    assert answer.status_code == 303
    process.send_signal(2)
    assert process.wait(_SECONDS) == 0
    assert "Traceback" not in (process.stderr.read() if process.stderr else "")
