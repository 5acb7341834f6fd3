"""The body of ``agent-report align``: guidance for the judge from people's labels, measured on labels not used."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from deployments.labelling.align_view import Aligned, print_aligned
from deployments.terminal.console import open_console, print_json
from tasks.connecting import open_clients
from tasks.errors import ConflictError, UsageError
from tasks.evidence.types import AgentId, RunId
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.rubric import resolve_rubrics
from tasks.judge.runs.guidance import (
    Guidance,
    LearnedRun,
    Measured,
    dump_guidance,
    find_guidance,
    load_guidance,
)
from tasks.report.rows import SUCCESS_QUESTION
from tasks.wording.counts import counted

if TYPE_CHECKING:
    from tasks.calibration.alignment import Alignment, Split
    from tasks.calibration.disagreements import RatedRun
    from tasks.calibration.judging import Judging, RunKey
    from tasks.calibration.labels import PairedRating
    from tasks.clients import Clients
    from tasks.evidence.types import Evidence
    from tasks.judge.call_context import Spent
    from tasks.judge.exchange import Judge
    from tasks.report.plan import ReportPlan
    from tasks.report.rows import ReportRow
    from tasks.warehouse.sql import Warehouse

SETTING = "AGENT_REPORT_JUDGE_GUIDANCE"
_FILE = Path("judge-guidance.yaml")
_GUIDANCE_TOKENS = 2000
_MOST_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class AlignOrder:
    """The arguments of ``agent-report align``."""

    report_id: int
    examples: int = 4
    seed: int = 0
    file: Path | None = None
    out: Path | None = None
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class _Labelled:
    """What people labelled in the report: each run once, and the pairs by run."""

    rated: Sequence[RatedRun]
    pairs: Mapping[RunKey, PairedRating]
    judging: Judging


@dataclass(frozen=True, slots=True)
class _Work:
    """What is needed to ask the judge again about held-out runs of a report."""

    plan: ReportPlan
    judge: Judge
    evidence: Mapping[AgentId, Evidence]
    rubrics: Mapping[AgentId, Mapping[str, Criterion]]
    wanted: Mapping[AgentId, Collection[RunId]]
    spent: list[Spent] = field(default_factory=list)


@open_clients()
def run_align(order: AlignOrder) -> int:
    """Write guidance from labels, measure it, and adopt it if kappa rises; the exit code (0: adopted, 1: not).

    Raises:
        RefusedError: no such report, too few labels, nothing to learn from, a file that is in the way.
        AgentReportError: the judge or the source cannot be asked.
    """
    from tasks.calibration.agreement import MINIMUM_RUNS
    from tasks.calibration.alignment import split_labelled
    from tasks.clients import current_clients
    from tasks.stored.reports import require_report

    if not 0 <= order.examples <= 20:
        raise UsageError(f"--examples {order.examples}: must be 0 to 20")
    clients = current_clients()
    warehouse = clients.warehouse()
    report = require_report(order.report_id, warehouse)
    given = None if order.file is None else load_guidance(order.file, "--file")
    place = order.file or _place(order, clients)
    # A file that is in force is measured against the judge without it.
    in_force = None if _is_in_force(order.file, clients) else find_guidance(clients.settings.judge_guidance)
    labelled = _load(report, warehouse)
    learned = None if given is None else {(run.agent_id, run.run_id) for run in given.learned_from}
    split = split_labelled(labelled.rated, seed=order.seed, learned=learned)
    work = _prepare(clients, report, split, in_force)
    console = open_console(stderr=order.as_json)
    found_runs = sum(len(run_ids) for run_ids in work.wanted.values())
    if found_runs < MINIMUM_RUNS:
        raise ConflictError(
            f"the source has {found_runs} of the {len(split.held_out)} labelled runs to measure with as the report "
            f"read them: at least {MINIMUM_RUNS} are needed; label runs of a newer report"
        )
    calls = 2 * (found_runs if work.plan.options.judge_runs == "each" else len(work.wanted)) + (given is None)
    console.print(
        Text(
            f"{counted(len(split.learning), 'labelled run')} to learn from, {found_runs} to measure with; "
            f"about {counted(calls, 'call')} to {work.judge.client.model}."
        )
    )
    if order.dry_run:
        console.print("Nothing was sent.")
        return 0
    guidance = given or _write(work, split, order.examples)
    found = _measure(work, split, labelled, guidance)
    if found.change.value is not None:
        guidance = guidance.model_copy(update={"measured": _measured(report["id"], found)})
    suspicion = _suspicion(guidance)
    adopted = found.adopted and not suspicion
    stored = place
    if not adopted and order.file is None:
        stored = place.with_name(f"{place.stem}.rejected{place.suffix}")
    _store(stored, guidance, keep=order.file is None)
    shown = Aligned(order.report_id, guidance, found, stored, adopted, suspicion, _cost(work))
    if order.as_json:
        print_json(shown.as_json())
    else:
        print_aligned(console, shown, setting="" if clients.settings.judge_guidance else SETTING)
    return 0 if adopted else 1


def _place(order: AlignOrder, clients: Clients) -> Path:
    """Where adopted guidance is written: what is in force is replaced, another file never."""
    place = order.out or Path(clients.settings.judge_guidance or _FILE)
    if place.exists() and not _is_in_force(place, clients):
        raise ConflictError(f"{str(place)!r} exists and is not in force ({SETTING}): name another file with --out")
    return place


def _is_in_force(file: Path | None, clients: Clients) -> bool:
    known = clients.settings.judge_guidance
    return bool(known) and file is not None and file.resolve() == Path(known).resolve()


def _load(report: ReportRow, warehouse: Warehouse) -> _Labelled:
    from tasks.calibration.rated_runs import match_labels, rate_outcomes
    from tasks.stored.agreement import load_judging, load_rated_runs
    from tasks.warehouse.labels import load_labels

    report_id = report["id"]
    labels = load_labels(warehouse.database, report["environment"])
    judging = load_judging(warehouse, report, labels)
    pairs = {
        (pair.agent_id, pair.unit.run_id or ""): pair
        # What people answer comes before what the source states.
        for pair in (*rate_outcomes(judging), *match_labels(judging, labels).rated)
        if pair.unit.criterion == SUCCESS_QUESTION and pair.unit.report_id == report_id
    }
    rated = [
        one
        for one in load_rated_runs(warehouse, report)
        if one.question == SUCCESS_QUESTION and one.report_id == report_id
    ]
    return _Labelled(rated, pairs, judging)


def _prepare(clients: Clients, report: ReportRow, split: Split, in_force: Guidance | None) -> _Work:
    from tasks.judge.budget import Budget
    from tasks.judge.endpoint.stop_signal import StopSignal
    from tasks.judge.exchange import Judge
    from tasks.stored.rereading import reread_evidence, reread_plan

    plan = reread_plan(report)
    wanted: dict[AgentId, set[RunId]] = {}
    for one in split.held_out:
        wanted.setdefault(one.agent_id, set()).add(one.run_id)
    evidence = reread_evidence(plan, wanted)
    known = {agent_id: {run.id for run in found.finished_runs} for agent_id, found in evidence.items()}
    wanted = {agent_id: ids & known.get(agent_id, set()) for agent_id, ids in wanted.items()}
    judge = Judge(
        client=clients.judge_client(plan.options),
        ledger=clients.ledger(),
        prices=clients.prices(),
        stop=StopSignal(),
        budget=Budget(plan.options.max_report_cost_usd),
        scale=clients.token_scale(plan.options),
        evidence_tokens=clients.settings.evidence_tokens,
        context_tokens=None if clients.settings.judge_evidence_tokens else clients.settings.judge_context_tokens,
        guidance=in_force,
    )
    rubrics = resolve_rubrics(plan.criteria, [found.agent for found in evidence.values()])
    return _Work(plan, judge, evidence, rubrics, {agent_id: ids for agent_id, ids in wanted.items() if ids})


def _write(work: _Work, split: Split, examples: int) -> Guidance:
    """The guidance that the judge's model writes, in one call, with labelled examples."""
    from tasks.calibration.alignment import GUIDANCE_SCHEMA, build_request, choose_examples, read_guidance
    from tasks.evidence.prices import Tokens
    from tasks.judge.call_context import Spent
    from tasks.judge.question import estimate_messages

    judge, messages = work.judge, build_request(split.learning)
    deadline = time.monotonic() + work.plan.options.eval_timeout_seconds
    most_usd = judge.most_usd(estimate_messages(messages), _GUIDANCE_TOKENS)
    spent = Spent()
    work.spent.append(spent)
    with judge.budget.pay(lambda: most_usd, deadline=deadline, stop=judge.stop) as payment:
        reply = judge.client.complete(
            messages, GUIDANCE_SCHEMA, output_tokens=_GUIDANCE_TOKENS, deadline=deadline, stop=judge.stop
        )
        tokens = Tokens(reply.prompt_tokens, reply.completion_tokens, cached=reply.cached_tokens)
        cost = judge.prices.cost_usd(judge.client.model, tokens, datetime.now(UTC), reply.service_tier)
        cost = reply.cost_usd if cost is None else cost
        spent.add(reply.prompt_tokens, reply.completion_tokens, cost)
        payment.cost_usd = payment.most_usd if cost is None else cost
    return Guidance(
        guidance=read_guidance(reply.usable_text()),
        examples=choose_examples(split.learning, examples),
        learned_from=tuple(LearnedRun(agent_id=one.agent_id, run_id=one.run_id) for one in split.learning),
    )


def _measure(work: _Work, split: Split, labelled: _Labelled, guidance: Guidance) -> Alignment:
    """The judge on the held-out runs as it is now and with ``guidance``, asked in the same way."""
    from tasks.calibration.alignment import compare_guidance
    from tasks.calibration.label_weights import run_weights

    before = _ask(work, work.judge)
    after = _ask(work, replace(work.judge, guidance=guidance))
    held_out = [labelled.pairs[one.agent_id, one.run_id] for one in split.held_out]
    return compare_guidance(held_out, before, after, run_weights(held_out, labelled.judging.reports))


def _ask(work: _Work, judge: Judge) -> dict[RunKey, bool | None]:
    from tasks.judge.call_context import Spent
    from tasks.judge.runs.again import judge_chosen
    from tasks.judge.runs.each import judge_each

    verdicts = {"yes": True, "no": False, "cannot_tell": None}

    def ask(agent_id: AgentId) -> dict[RunKey, bool | None]:
        evidence, rubric, run_ids = work.evidence[agent_id], work.rubrics[agent_id], sorted(work.wanted[agent_id])
        seconds = work.plan.options.eval_timeout_seconds
        if work.plan.options.judge_runs == "each":
            judged = judge_each(judge, evidence, run_ids, rubric, timeout_seconds=seconds * len(run_ids))
            work.spent.append(judged.spent)
            found = list(judged.verdicts)
        else:
            spent = Spent()
            work.spent.append(spent)
            found = list(judge_chosen(judge, evidence, rubric, run_ids, timeout_seconds=seconds, spent=spent).values())
        return {
            (agent_id, verdict.run_id): verdicts[verdict.success] for verdict in found if verdict.success is not None
        }

    width = min(_MOST_AT_ONCE, work.plan.judges_at_once or _MOST_AT_ONCE)
    with ThreadPoolExecutor(width) as threads:
        answers = list(threads.map(ask, work.wanted))
    return {key: passed for answer in answers for key, passed in answer.items()}


def _suspicion(guidance: Guidance) -> str:
    """What in the text looks like an attempt to influence the judge: agents' words stood before who wrote it; or ""."""
    from tasks.judge.prompt.suspicion import find_suspicions

    return next((found.text for found in find_suspicions([(None, "guidance", guidance.guidance)])), "")


def _measured(report_id: int, found: Alignment) -> Measured:
    return Measured(
        report_id=report_id,
        runs=found.runs,
        kappa_before=round(found.before.value or 0.0, 3),
        kappa_after=round(found.after.value or 0.0, 3),
    )


def _store(place: Path, guidance: Guidance, *, keep: bool) -> None:
    """Write the file; with ``keep`` the one that was there is kept beside it."""
    text = dump_guidance(guidance)
    try:
        if keep and place.exists():
            place.replace(place.with_name(f"{place.stem}.previous{place.suffix}"))
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{str(place)!r} cannot be written: {error.strerror}") from None


def _cost(work: _Work) -> float | None:
    costs = [spent.cost_usd if spent.calls else 0.0 for spent in work.spent]
    return None if any(cost is None for cost in costs) else sum(cost for cost in costs if cost is not None)
