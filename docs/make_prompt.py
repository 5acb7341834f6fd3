"""Makes ``docs/reference/prompt.md``: what the judge is sent about one agent of the demo."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from deployments.demo.sample import build_sample
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Evidence
from tasks.judge.agent import build_agent_question
from tasks.judge.answer import build_schema
from tasks.judge.question import compose
from tasks.judge.rubric import Criteria, resolve_rubrics
from tasks.settings import Settings
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

_FILE = Path(__file__).parent / "reference" / "prompt.md"
_NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
_AGENT = "access-broker"
_RUNS = 4
_BUDGET_TOKENS = 2_500


def render() -> str:
    """The page; only the random delimiters differ from one time to the next."""
    evidence = _evidence()
    rubric = resolve_rubrics(Criteria(), [evidence.agent])[evidence.agent.id]
    question = build_agent_question(evidence, rubric)
    system, user = (message["content"] for message in compose(question, _BUDGET_TOKENS).messages)
    schema = json.dumps(build_schema("agent", rubric)["properties"]["criteria"]["properties"]["accuracy"], indent=2)
    return f"""# What the judge is sent

The messages about `{_AGENT}`, an agent of the demo, with its newest {_RUNS} runs and a budget of
{_BUDGET_TOKENS:,} tokens (a report looks at 20 runs, in some {Settings().evidence_tokens:,} tokens), so that cuts are
to be seen. Made by `docs/make_prompt.py`.

## System

The same for every agent with the same criteria, so that endpoints can cache it.

```text
{system}
```

## User

```text
{user}
```

## Answer

A JSON object that follows a strict schema. For every criterion it asks for:

```json
{schema}
```
"""


def _evidence() -> Evidence:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "station.db"
        build_sample(_NOW).write_sqlite(place)
        source = SqlSource(open_database(f"sqlite:///{place}"))
        window = Window(_RUNS, _NOW, None, "")
        agent = next(agent for agent in source.load_agents("demo", window) if agent.name == _AGENT)
        runs = source.fetch_runs(agent, window)
        return build_evidence(agent, runs, (), RunPrices())


if __name__ == "__main__":
    _FILE.write_text(render(), encoding="utf-8")
