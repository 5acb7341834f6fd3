"""The sample's source, Jaeger and judge in a process of their own: ``python -m benchmarks.services FOLDER OPTIONS``.

OPTIONS is JSON: ``{"sample": {...}, "judge": {...}}``, the arguments of ``build_sample`` and ``SimulatedJudge``.
Prints one line of JSON with where they are, and serves until standard input ends. A line on standard input is answered
with the counts so far.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge
from deployments.demo.sample import build_sample


def main() -> None:
    """Serve until standard input ends."""
    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    sample = build_sample(datetime.now(UTC), **options["sample"])
    sample.write_sqlite(folder / "source.db")
    with SimulatedJaeger(sample.traces) as jaeger, SimulatedJudge(**options["judge"]) as judge:
        print(json.dumps({"jaeger": jaeger.url, "judge": judge.base_url}), flush=True)
        for _ in sys.stdin:
            counts = {"judge": len(judge.requests), "most": judge.most_in_flight, "jaeger": len(jaeger.requests)}
            judge.most_in_flight = 0
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
