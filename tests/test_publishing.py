"""Publishing verdicts: only where asked for, to a store that keeps them, and never at the cost of a report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from tasks.connecting import open_clients
from tasks.judge.rubric import Criteria
from tasks.opening import open_report
from tasks.publishing import publish_verdicts
from tasks.report.rows import RunRow
from tasks.settings import ReportOptions

_SECRET = "s3cret-word"
_TRACE = "a" * 32


@pytest.fixture
def phoenix() -> Iterator[Callable[[int], ThreadingHTTPServer]]:
    """A Phoenix on loopback that answers every request with a status and repeats the credentials."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int) -> ThreadingHTTPServer:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                body = f'{{"data": [], "message": "{_SECRET}"}}'.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return servers[-1]

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the body of the step gives for one run with a verdict."""
    monkeypatch.chdir(tmp_path)

    def run(source_url: str, **options: Any) -> str:
        monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", source_url)
        plan: Any = SimpleNamespace(id=12, environment="e", options=ReportOptions(**options))
        row = dict.fromkeys(RunRow.__annotations__) | {"run_id": "1", "trace_id": _TRACE, "verdict": "no"}
        draft: Any = SimpleNamespace(evidence={})
        rows: Any = SimpleNamespace(runs=[row])
        with disable_run_logger(), open_clients():
            return publish_verdicts.fn(plan, draft, rows)

    return run


def test_verdicts_are_published_only_where_asked_for(
    phoenix: Callable[[int], ThreadingHTTPServer], publish: Callable[..., str]
) -> None:
    url = f"phoenix+http://user:{_SECRET}@127.0.0.1:{phoenix(200).server_port}"
    assert publish(url) == ""
    assert publish(url, publish_verdicts=True).startswith("1 verdict on 1 run was published to Phoenix at http://127")


def test_a_failure_is_a_sentence_without_secrets(
    phoenix: Callable[[int], ThreadingHTTPServer], publish: Callable[..., str]
) -> None:
    for status in (401, 422):
        url = f"phoenix+http://user:{_SECRET}@127.0.0.1:{phoenix(status).server_port}"
        message = publish(url, publish_verdicts=True)
        assert message.startswith(f"The verdicts could not be published: HTTP {status}")
        assert _SECRET not in message


def test_a_source_that_keeps_no_verdicts_is_refused_before_anything_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.jsonl").write_text('{"id": "1", "agent": "a", "status": "ok"}\n', encoding="utf-8")
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "runs.jsonl")
    options = ReportOptions(publish_verdicts=True)
    with open_clients() as clients:
        refused: Any = open_report.fn("e", "", Criteria(), options, None, datetime.now(UTC))
        assert "the source keeps no verdicts; Phoenix, Langfuse" in refused.message
        simulated = ReportOptions(publish_verdicts=True, judge_model="simulated-judge")
        refused = open_report.fn("e", "", Criteria(), simulated, None, datetime.now(UTC))
        assert "the verdicts of simulated-judge are made up" in refused.message
        assert clients.warehouse().list_reports() == []
