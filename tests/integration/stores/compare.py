"""Traces alone, for real: frameworks tell one story under their instrumentations, into stores that really run, and our
sources read it back.

Called by ``make integration`` with the folder that has an environment for each store and for the frameworks, and
Jaeger's binary; pytest does not collect it. Prints a table, and exits with 1 when anything in it is not the script's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import scripted
import servers

from tasks.errors import AgentReportError
from tasks.sources.opening import SourceSettings, open_source
from tasks.sources.source import Source, Window

_RUNS = 2
_STORY_SECONDS = 300
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Story:
    """A framework under an instrumentation, in an environment of this name; what the framework adds of its own."""

    framework: str
    instrumentation: str
    environment: str = "agents"
    agent: str = "travel-desk"
    further_tools: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.framework}-{self.instrumentation}"

    def expected(self) -> Reading:
        calls = Counter(scripted.TOOL_CALLS) + Counter(self.further_tools)
        return Reading(
            agents=self.agent,
            runs=_RUNS,
            tool_calls=_listed(Counter({name: count * _RUNS for name, count in calls.items()})),
            tool_errors=_RUNS,
            tokens_in=scripted.INPUT_TOKENS * scripted.LLM_CALLS * _RUNS,
            tokens_out=scripted.OUTPUT_TOKENS * scripted.LLM_CALLS * _RUNS,
            model=scripted.MODEL,
            status="completed",
            task=scripted.TASK,
            response=scripted.ANSWER,
        )


STORIES = (
    Story("openai-agents", "openinference"),
    Story("openai-agents", "genai", environment="agents-genai"),
    Story("openai-agents", "traceloop"),
    Story("pydantic-ai", "genai"),
    Story("langgraph", "openinference"),
    Story("langgraph", "traceloop"),
    Story("smolagents", "openinference", agent="travel_desk", further_tools=("final_answer",)),
)


@dataclass(frozen=True)
class Reading:
    """What a source gives of a story, all runs together; texts are those of the runs, each once."""

    agents: str
    runs: int
    tool_calls: str
    tool_errors: int
    tokens_in: int
    tokens_out: int
    model: str
    status: str
    task: str
    response: str


def main() -> int:
    """Fill the stores, read them, print the table, and return 0 if all of it is right."""
    built = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="real-stores-") as name, ExitStack() as running:
        folder = Path(name)
        endpoint = running.enter_context(scripted.serve())
        stores = [
            running.enter_context(servers.phoenix(built / "phoenix", folder / "phoenix")),
            running.enter_context(servers.mlflow(built / "mlflow", folder / "mlflow")),
            running.enter_context(servers.jaeger(built / "jaeger" / "all-in-one", folder / "jaeger")),
        ]
        for story in STORIES:
            tell(story, built, endpoint, stores)
        wrong = 0
        print("| Store | Framework | Instrumentation | " + " | ".join(_titles()) + " |")
        print("|---" * (3 + len(_titles())) + "|", flush=True)
        for store in stores:
            with closing(open_source(store.source_url, SourceSettings())) as source:
                for story in STORIES:
                    cells, differences = compare(source, story)
                    wrong += differences
                    print(
                        f"| {store.name} | {story.framework} | {story.instrumentation} | {' | '.join(cells)} |",
                        flush=True,
                    )
    print(f"{wrong} wrong" if wrong else "all right")
    return 1 if wrong else 0


def tell(story: Story, built: Path, endpoint: str, stores: Sequence[servers.Store]) -> None:
    """Let the framework run in its environment and export to every store."""
    print(f"{story.framework} by {story.instrumentation}", file=sys.stderr, flush=True)
    exports = [(store.traces_url, dict(store.headers(story.name))) for store in stores]
    ended = subprocess.run(
        [built / story.environment / "bin" / "python", _HERE / "tell.py", story.framework, story.instrumentation],
        env=os.environ | {"STORY_ENDPOINT": endpoint, "STORY_EXPORTS": json.dumps(exports), "STORY_RUNS": str(_RUNS)},
        capture_output=True,
        text=True,
        timeout=_STORY_SECONDS,
    )
    if ended.returncode:
        raise SystemExit(f"{story.name} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-5000:]}")


def compare(source: Source, story: Story) -> tuple[list[str], int]:
    """The cells of one row, each with what was expected where it is something else, and how many are."""
    expected = story.expected()
    try:
        found = read(source, story.name)
    except AgentReportError as error:
        return [f"**{error}**", *[""] * (len(_titles()) - 1)], 1
    pairs = list(zip(astuple(found), astuple(expected), strict=True))
    cells = [_right(one) if one == other else f"**{one}** (not {other})" for one, other in pairs]
    return cells, sum(one != other for one, other in pairs)


def read(source: Source, environment: str) -> Reading:
    """All that the source has of an environment."""
    now = datetime.now(UTC)
    window = Window(limit=100, until=now, since=now - timedelta(hours=2), filter_model="")
    agents = source.load_agents(environment, window)
    runs = []
    for found in source.fetch_runs_of(agents, window).values():
        if isinstance(found, AgentReportError):
            raise found
        runs += found.runs
    traces = source.trace_store()
    assert traces is not None
    summaries = traces.find_traces(runs, now=now)
    telemetry = [trace.telemetry for trace in summaries.summarize(runs) if trace.telemetry]
    calls = [call for each in telemetry if each for call in each.tool_calls]
    return Reading(
        agents=_each(agent.name for agent in agents),
        runs=len(runs),
        tool_calls=_listed(Counter(call.name for call in calls)),
        tool_errors=sum(call.error is not None for call in calls),
        tokens_in=sum(run.input_tokens or 0 for run in runs),
        tokens_out=sum(run.output_tokens or 0 for run in runs),
        model=_each(run.model_name or "" for run in runs),
        status=_each(run.status for run in runs),
        task=_each(run.task or "" for run in runs),
        response=_each(run.final_response or "" for run in runs),
    )


def _right(value: object) -> str:
    return "same" if value in (scripted.TASK, scripted.ANSWER) else str(value)


def _each(values: Iterator[str]) -> str:
    return ", ".join(sorted(set(values)))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _titles() -> list[str]:
    return [field.name.replace("_", " ").capitalize() for field in fields(Reading)]


if __name__ == "__main__":
    sys.exit(main())
