"""Traces alone as a source: agents, runs, windows, and the spans that were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.span_reading import load_recordings
from tasks.errors import NotFoundError, SourceError
from tasks.evidence.prices import RunPrices
from tasks.evidence.traces.spans import Span
from tasks.evidence.types import AgentRuns, Evidence
from tasks.redaction.redactor import Redactor
from tasks.sources.batch import read_evidence, read_runs
from tasks.sources.source import Scanned, Source, Window
from tasks.sources.spans.listing import list_runs
from tasks.sources.spans.source import TraceSource

if TYPE_CHECKING:
    from tests.sources.spans.conftest import MemoryStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MakeStore = Callable[[Sequence[Sequence[Span]]], "MemoryStore"]
MakeSpans = Callable[..., list[Span]]


def _window(limit: int = 20, *, since: datetime | None = None, model: str = "") -> Window:
    return Window(limit, NOW, since, model)


def _source(store: MemoryStore) -> TraceSource:
    return TraceSource(store, now=lambda: NOW)


def _runs(source: Source, environment: str, window: Window) -> dict[str, AgentRuns]:
    """The runs by agent id, none of which failed."""
    found = source.fetch_runs_of(source.load_agents(environment, window), window)
    assert all(isinstance(runs, AgentRuns) for runs in found.values())
    return {agent_id: runs for agent_id, runs in found.items() if isinstance(runs, AgentRuns)}


def test_agents_are_of_their_environment_and_service(make_store: MakeStore, make_spans: MakeSpans) -> None:
    production = {"deployment.environment.name": "production"}
    source = _source(
        make_store(
            [
                make_spans(1, NOW - timedelta(hours=1), "travel", resource=production),
                make_spans(2, NOW - timedelta(hours=2), "billing", resource=production, service="back office"),
                make_spans(3, NOW - timedelta(hours=3), "travel"),
            ]
        )
    )
    assert source.list_environments() == ["production", "shop"]
    counts = source.counts()
    assert (counts.agents, counts.runs) == ({"production": 2, "shop": 1}, {"production": 2, "shop": 1})
    assert not counts.is_whole
    agents = source.load_agents("production", _window())
    assert [(agent.id, agent.name) for agent in agents] == [
        ("production/back office/billing", "billing"),
        ("production/shop/travel", "travel"),
    ]
    with pytest.raises(NotFoundError, match="there is production, shop"):
        source.load_agents("staging", _window())


def test_agents_of_several_services_with_one_name_have_the_service_with_it(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    resource = {"deployment.environment.name": "production"}
    places = [("LangGraph", "shop"), ("LangGraph", "back office"), ("travel", "shop")]
    traces = [
        make_spans(number, NOW - timedelta(minutes=number + 1), agent, resource=resource, service=service)
        for number, (agent, service) in enumerate(places)
    ]
    agents = _source(make_store(traces)).load_agents("production", _window())
    assert [agent.name for agent in agents] == ["LangGraph (back office)", "LangGraph (shop)", "travel"]


def test_a_store_without_agents_reports_how_many_traces_it_has(make_store: MakeStore, make_span: MakeSpans) -> None:
    source = _source(make_store([[make_span("a", operation="GET /", start=NOW.timestamp() - 60)]]))
    with pytest.raises(NotFoundError, match=r"no trace with an agent .* is in the store \(1 trace without"):
        source.load_agents("production", _window())


def test_a_run_has_what_its_spans_record(make_store: MakeStore, make_spans: MakeSpans) -> None:
    spans = make_spans(7, NOW - timedelta(hours=1), tags={"gen_ai.conversation.id": "c-1"})
    (run,) = _runs(_source(make_store([spans])), "shop", _window())["shop/shop/travel"].runs
    assert run.id == f"{7:032x}-a"
    assert (run.trace_id, run.session_id, run.status, run.outcome) == (f"{7:032x}", "c-1", "completed", "completed")
    assert (run.task, run.final_response, run.model_name) == ("Where?", "Here.", "m")
    assert (run.input_tokens, run.output_tokens, run.duration_seconds) == (10, 1, 2.0)


@pytest.mark.parametrize("name", ["a" * 3_000, " two\nlines ", "ä/ü", '{"a": 1}'])
def test_an_odd_name_is_found_again(make_store: MakeStore, make_spans: MakeSpans, name: str) -> None:
    resource = {"deployment.environment.name": "e" * 3_000}
    spans = make_spans(1, NOW - timedelta(minutes=5), name, service="s" * 3_000, resource=resource)
    source = _source(make_store([spans]))
    (environment,) = source.list_environments()
    ((agent_id, found),) = _runs(source, environment, _window()).items()
    (run,) = found.runs
    assert run.agent_id == agent_id
    assert source.trace_store().find_traces([run], now=NOW).summarize([run])[0].state == "complete"


def test_the_newest_runs_of_each_agent_are_kept_and_no_trace_is_listed_twice(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    traces = [
        make_spans(number, NOW - timedelta(minutes=number), "travel" if number % 2 else "billing")
        for number in range(1, 101)
    ]
    store = make_store(traces)
    source = _source(store)
    window = _window(limit=3, since=NOW - timedelta(days=1))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: _runs(source, "shop", window), range(4)))
    assert sorted(store.given) == sorted(spans[0].trace_id for spans in traces)
    runs = found[0]["shop/shop/travel"].runs
    assert [run.trace_id for run in runs] == [f"{number:032x}" for number in (1, 3, 5)]
    every = [run for agent in found[0].values() for run in agent.runs]
    traced = source.trace_store().find_traces(every, now=NOW)
    assert {trace.state for trace in traced.summarize(every)} == {"complete"}
    assert store.fetched == []


def test_a_run_in_progress_makes_no_agent_beside_those_with_a_name(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    _, waiting = make_spans(1, NOW - timedelta(minutes=1))
    named = make_spans(2, NOW - timedelta(minutes=2))
    assert [agent.name for agent in _source(make_store([[waiting], named])).load_agents("shop", _window())] == [
        "travel"
    ]
    (found,) = _runs(_source(make_store([[waiting]])), "shop", _window()).values()
    assert [(run.status, run.outcome) for run in found.runs] == [("running", "unfinished")]


def test_one_model_is_found_behind_newer_runs_of_another(make_store: MakeStore, make_spans: MakeSpans) -> None:
    store = make_store(
        [
            make_spans(number, NOW - timedelta(minutes=number), model="old" if number == 9 else "new")
            for number in range(1, 10)
        ]
    )
    (found,) = _runs(_source(store), "shop", _window(limit=2, model="old")).values()
    assert [run.model_name for run in found.runs] == ["old"]


def test_a_window_without_a_start_warns_when_it_leaves_runs_out(make_store: MakeStore, make_spans: MakeSpans) -> None:
    recent, old = make_spans(1, NOW - timedelta(days=1)), make_spans(2, NOW - timedelta(days=60))
    (found,) = _runs(_source(make_store([recent, old])), "shop", _window()).values()
    assert len(found.runs) == 1
    assert found.warnings == ("Traces from before 2026-04-01 are not read: give since to read older ones",)
    (found,) = _runs(_source(make_store([recent])), "shop", _window()).values()
    assert found.warnings == ()
    (found,) = _runs(_source(make_store([recent, old])), "shop", _window(since=NOW - timedelta(days=90))).values()
    assert (len(found.runs), found.warnings) == (2, ())


def test_a_store_that_does_not_know_what_is_older_fails_no_report(make_store: MakeStore, make_spans: MakeSpans) -> None:
    store = make_store([make_spans(1, NOW - timedelta(days=1))])
    store.reaches_back = False
    (found,) = _runs(_source(store), "shop", _window()).values()
    assert (len(found.runs), found.warnings) == (1, ())


def test_more_traces_than_are_read_are_a_warning(make_store: MakeStore, make_spans: MakeSpans) -> None:
    store = make_store([make_spans(number, NOW - timedelta(minutes=number)) for number in range(1, 6)])
    listing = list_runs(store, _window(since=NOW - timedelta(days=1)), NOW, most_traces=3)
    assert (listing.traces, len(listing.runs)) == (3, 3)
    assert listing.warnings == (
        "the store has more than 3 traces in this time: runs in the others are not read; choose a shorter time (since)",
    )


def test_the_evidence_of_an_agent_uses_the_spans_that_are_there(make_store: MakeStore) -> None:
    """Each agent of the recordings, with the tool calls and the trace of its one run, redacted or not."""
    now = datetime.now(UTC)
    window = Window(20, now, None, "")
    store = make_store([recording.spans for recording in load_recordings()])
    source = TraceSource(store)
    listed = source.list_environments()
    for hide in (None, Redactor()):
        for environment in ("openai-agents-sync-chat__openinference-openai-agents", "pydantic-ai-sync__own-v6"):
            assert environment in listed
            agents = source.load_agents(environment, window)
            runs = read_runs(source, agents, window, hide)
            (evidence,) = read_evidence(source.trace_store(), agents, runs, RunPrices({}), hide, now=now)
            assert isinstance(evidence, Evidence)
            (trace,) = evidence.traces.values()
            assert (trace.state, trace.telemetry and trace.telemetry.llm_calls) == ("complete", 5)
            assert {tool.name: tool.calls for tool in evidence.metrics.tool_usage} == {
                "get_weather": 2,
                "get_time": 1,
                "book": 2,
            }
            assert evidence.metrics.total_tokens == 1100
            assert list(evidence.waterfalls) == [evidence.runs[0].id]
    assert store.fetched == []


def test_runs_that_were_not_kept_are_fetched(make_store: MakeStore, make_spans: MakeSpans) -> None:
    store = make_store([make_spans(1, NOW - timedelta(minutes=5))])
    first = _source(store)
    (found,) = _runs(first, "shop", _window()).values()
    later = _source(store).trace_store().find_traces(found.runs, now=NOW)
    assert later.summarize(found.runs)[0].state == "complete"
    assert store.fetched == [f"{1:032x}"]
    store.fault = "the store is down"
    [trace, *_] = _source(store).trace_store().find_traces(found.runs, now=NOW).summarize(found.runs)
    assert (trace.state, trace.reason) == ("unavailable", "the store is down")


def test_a_store_that_does_not_answer_fails_every_agent_or_the_whole(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    store = make_store([make_spans(1, NOW - timedelta(minutes=5))])
    agents = _source(store).load_agents("shop", _window())
    store.fault = "the store is down"
    source = _source(store)
    with pytest.raises(SourceError, match="the store is down"):
        source.load_agents("shop", _window())
    (found,) = source.fetch_runs_of(agents, _window()).values()
    assert isinstance(found, SourceError)
    with pytest.raises(SourceError, match="the store is down"):
        source.check()


def test_a_window_that_ends_a_moment_later_is_not_listed_again(make_store: MakeStore, make_spans: MakeSpans) -> None:
    store = make_store([make_spans(number, NOW - timedelta(hours=number)) for number in (1, 2)])
    source = _source(store)
    source.list_environments()
    for seconds, since in ((5, None), (60, None)):
        window = Window(20, NOW + timedelta(seconds=seconds), since, "")
        assert len(_runs(source, "shop", window)["shop/shop/travel"].runs) == 2
    assert len(store.given) == 2
    later = Window(20, NOW + timedelta(seconds=61), None, "")
    assert len(_runs(source, "shop", later)["shop/shop/travel"].runs) == 2
    assert len(store.given) == 4


def test_a_moment_later_is_as_long_a_time(make_store: MakeStore, make_spans: MakeSpans) -> None:
    day = timedelta(days=1)
    store = make_store([make_spans(1, NOW - day + timedelta(seconds=5)), make_spans(2, NOW - timedelta(hours=1))])
    source = _source(store)
    counts = []
    for seconds in (0, 10):
        until = NOW + timedelta(seconds=seconds)
        counts.append(len(_runs(source, "shop", Window(20, until, until - day, ""))["shop/shop/travel"].runs))
    assert counts == [2, 1]
    assert len(store.given) == 2


def test_without_a_look_back_the_oldest_traces_are_read(make_store: MakeStore, make_spans: MakeSpans) -> None:
    store = make_store([make_spans(1, NOW - timedelta(days=900))])
    source = TraceSource(store, now=lambda: NOW, look_back=None)
    (found,) = _runs(source, "shop", _window()).values()
    assert (len(found.runs), found.warnings) == (1, ())


def test_what_a_store_could_not_read_is_in_the_report(make_spans: MakeSpans, make_store: MakeStore) -> None:
    store = make_store([make_spans(1, NOW - timedelta(hours=1))])
    store.warnings = ("2 messages cannot be read",)  # type: ignore[attr-defined]
    (found,) = _runs(_source(store), "shop", _window()).values()
    assert found.warnings == ("2 messages cannot be read",)


def test_an_environment_is_there_although_no_run_is_of_the_model(make_store: MakeStore, make_spans: MakeSpans) -> None:
    source = _source(make_store([make_spans(1, NOW - timedelta(hours=1), model="a")]))
    assert source.load_agents("shop", _window(model="b")) == []
    assert len(source.load_agents("shop", _window(model="a"))) == 1


def test_a_window_with_a_start_is_listed_once_and_a_sample_of_it_is_read(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    traces = [
        make_spans(number, NOW - timedelta(minutes=number), "travel" if number % 2 else "billing")
        for number in range(1, 201)
    ]
    store = make_store(traces)
    source = _source(store)
    window = _window(limit=8, since=NOW - timedelta(days=1))
    agents = source.load_agents("shop", window)
    found = read_runs(source, agents, window, None)
    assert sorted(store.given) == sorted(spans[0].trace_id for spans in traces)
    for runs in found:
        assert isinstance(runs, AgentRuns)
        assert runs.population is not None
        assert (runs.population.runs, len(runs.runs)) == (100, 8)
        assert runs.population.total_tokens == 1_100
        assert runs.population.p50_duration_seconds == 2.0
        assert {run.task for run in runs.runs} == {"Where?"}
        assert sum(1 / runs.inclusion[run.id] for run in runs.runs) == pytest.approx(100)
    every = [run for runs in found if isinstance(runs, AgentRuns) for run in runs.runs]
    # Those that are not the newest are asked for once, with their spans.
    assert 0 < len(store.fetched) <= len(every)
    fetched = len(store.fetched)
    traced = source.trace_store().find_traces(every, now=NOW)
    assert {trace.state for trace in traced.summarize(every)} == {"complete"}
    assert len(store.fetched) == fetched


def test_columns_beyond_those_of_every_scan_are_read_from_the_traces_again(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    traces = [make_spans(number, NOW - timedelta(minutes=number)) for number in range(1, 151)]
    store = make_store(traces)
    source = _source(store)
    window = _window(limit=5, since=NOW - timedelta(days=1))
    agents = source.load_agents("shop", window)
    slim = [item.run for item in source.scan_runs(agents, window) if isinstance(item, Scanned)]
    assert ({run.task for run in slim}, store.fetched) == ({None}, [])
    whole = [item.run for item in source.scan_runs(agents, window, {"task"}) if isinstance(item, Scanned)]
    assert [run.task for run in whole] == ["Where?"] * 150
    assert len(store.fetched) == 145


def test_conversations_of_a_window_and_another_environment_are_listed_again(
    make_store: MakeStore, make_spans: MakeSpans
) -> None:
    production = {"deployment.environment.name": "production"}
    traces = [
        make_spans(
            number,
            NOW - timedelta(minutes=number),
            tags={"gen_ai.conversation.id": f"c{number % 3}"},
            resource=production if number > 9 else {},
        )
        for number in range(1, 13)
    ]
    source = _source(make_store(traces))
    window = Window(2, NOW, NOW - timedelta(days=1), "", "session")
    for environment, sizes in (("shop", 3), ("production", 1)):
        (found,) = read_runs(source, source.load_agents(environment, window), window, None)
        assert isinstance(found, AgentRuns)
        assert found.population is not None
        assert found.population.runs == 3
        assert [run.duration_seconds for run in found.runs] == [2.0 * sizes] * 2
