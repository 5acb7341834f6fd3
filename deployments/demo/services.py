"""The demo's source, Jaeger and judge for as long as a stack runs: ``python -m … FOLDER JAEGER_PORT JUDGE_PORT``.

The sample is made once and stays in the folder, so that a second report finds the runs of the first.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from deployments.demo.command import AGENT_SECONDS, TEAM_SECONDS
from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge
from deployments.demo.sample import Sample, build_sample

SOURCE = "source.db"
_MADE = "sample.json"
_FORGET_SECONDS = 60.0


def keep_sample(folder: Path, now: datetime) -> Sample:
    """The sample of ``folder``: made as of ``now`` the first time, the same again later. Its database is there too."""
    folder.mkdir(parents=True, exist_ok=True)
    made, source = folder / _MADE, folder / SOURCE
    if made.exists() and source.exists():
        return build_sample(datetime.fromisoformat(json.loads(made.read_text())["now"]))
    sample = build_sample(now)
    # Under another name until it is whole, as this may be killed at any moment.
    unfinished = folder / f"{SOURCE}.unfinished"
    unfinished.unlink(missing_ok=True)
    sample.write_sqlite(unfinished)
    made.write_text(json.dumps({"now": now.isoformat()}))
    unfinished.replace(source)
    return sample


def main() -> None:
    """Serve until standard input ends."""
    folder, jaeger_port, judge_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sample = keep_sample(folder, datetime.now(UTC))
    with (
        SimulatedJaeger(sample.traces, port=jaeger_port) as jaeger,
        SimulatedJudge(agent_seconds=AGENT_SECONDS, team_seconds=TEAM_SECONDS, port=judge_port) as judge,
    ):
        ended = threading.Event()
        threading.Thread(target=_await_end, args=(ended,), daemon=True).start()
        while not ended.wait(_FORGET_SECONDS):
            # What was asked is kept for tests; here it would only grow.
            judge.requests.clear()
            jaeger.requests.clear()


def _await_end(ended: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ended.set()


if __name__ == "__main__":
    main()
