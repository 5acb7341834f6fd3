"""Labels of runs beside the verdicts that they are compared with: those of a later report by the same judge, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.calibration.agreement import MINIMUM_RUNS
from tasks.calibration.judging import JudgedReport, Judging, RunKey
from tasks.calibration.labels import ItemKey, Label, Opinion, PairedRating, rate_runs
from tasks.report.rows import SUCCESS_QUESTION


@dataclass(frozen=True, slots=True)
class MatchedLabels:
    """Labels by what they are compared with.

    ``on_runs`` are compared with a verdict on the same run, each under its item, and combined in ``rated``;
    ``on_agents`` with a score of the agent. ``left_out`` counts those of other judges, ``outgrown`` those that only an
    earlier form of this judge can be compared with and that are left out, and ``earlier`` those of an earlier form that
    count. ``waiting`` are on whether a run did its task, where this judge has no verdict on the run yet.
    """

    on_runs: Sequence[tuple[ItemKey, Label]]
    on_agents: Sequence[Label]
    rated: Sequence[PairedRating]
    left_out: int
    outgrown: int = 0
    earlier: int = 0
    waiting: int = 0


def match_labels(judging: Judging, labels: Sequence[Label]) -> MatchedLabels:
    """Find for each label the verdict of this judge that it is compared with.

    A label of a run goes with the run: it is compared with the verdict of the judge as it is now (same fingerprint)
    where a report has one on this run: the one that is measured, else the newest. Only where fewer than MINIMUM_RUNS
    runs have such a verdict, verdicts of the same model with other criteria, parameters, prompt or guidance count as
    well. A label whose report is gone has kept its verdict. Labels of whole agents, and of runs on which there is no
    verdict, are compared with the score of the agent in their own report.
    """
    on_runs: list[tuple[ItemKey, Label]] = []
    on_agents: list[Label] = []
    verdicts: dict[ItemKey, bool | None] = {}
    now: set[ItemKey] = set()
    left_out = waiting = 0
    for label in labels:
        item, is_now = _find_item(label, judging) if label.run_id is not None else (None, False)
        if item is not None:
            report = judging.reports.get(item.report_id)
            run = None if report is None else report.runs.get((item.agent_id, item.run_id or ""))
            verdicts[item] = label.judge_passed if run is None else run.verdicts.get(item.criterion)
            on_runs.append((item, label))
            now |= {item} if is_now else set()
        elif label.criterion == SUCCESS_QUESTION:
            waiting += 1
        elif label.judge_model == judging.model and not label.judge_on_run:
            on_agents.append(label)
        else:
            left_out += 1
    earlier = sum(item not in now for item, _ in on_runs)
    outgrown = 0
    if len({item[:3] for item in now}) >= MINIMUM_RUNS:
        on_runs = [(item, label) for item, label in on_runs if item in now]
        outgrown, earlier = earlier, 0
    return MatchedLabels(on_runs, on_agents, rate_runs(on_runs, verdicts), left_out, outgrown, earlier, waiting)


def _find_item(label: Label, judging: Judging) -> tuple[ItemKey | None, bool]:
    """What the label is compared with, and whether that is a verdict of the judge as it is now."""
    key = (label.agent_id, label.run_id or "")
    found = [
        # Not its own report first: two people's labels of one run would be two runs.
        (report.fingerprint == judging.fingerprint, report_id == judging.report_id, report_id)
        for report_id, report in judging.reports.items()
        if report.model == judging.model and key in report.runs and label.criterion in report.runs[key].verdicts
    ]
    if found:
        is_now, *_, report_id = max(found)
        return ItemKey(report_id, *key, label.criterion), is_now
    if label.judge_on_run and label.judge_model == judging.model:
        return label.unit, label.judge_fingerprint == judging.fingerprint
    return None, False


def rate_outcomes(judging: Judging) -> list[PairedRating]:
    """The judge's verdict on success beside the outcome that the source states, for every run that has both, once: in
    the report that is measured, else in the newest."""
    found: dict[RunKey, PairedRating] = {}
    for report_id, report in _newest_first(judging):
        for key, run in report.runs.items():
            if run.outcome is not None and key not in found and SUCCESS_QUESTION in run.verdicts:
                found[key] = PairedRating(
                    unit=ItemKey(report_id, *key, SUCCESS_QUESTION),
                    people=Opinion(None, run.outcome),
                    judge=Opinion(None, run.verdicts[SUCCESS_QUESTION]),
                    labelers={},
                )
    return list(found.values())


def _newest_first(judging: Judging) -> Iterator[tuple[int, JudgedReport]]:
    order: Mapping[int, JudgedReport] = judging.reports
    for report_id in sorted(order, key=lambda one: (one == judging.report_id, one), reverse=True):
        if order[report_id].model == judging.model:
            yield report_id, order[report_id]
