"""Labels of runs beside the verdicts that they are compared with: those of a later report by the same judge, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.calibration.judging import JudgedReport, Judging, RunKey
from tasks.calibration.labels import ItemKey, Label, Opinion, PairedRating, rate_runs
from tasks.report.rows import SUCCESS_QUESTION


@dataclass(frozen=True, slots=True)
class MatchedLabels:
    """Labels by what they are compared with.

    ``on_runs`` are compared with a verdict on the same run, each under its item, and combined in ``rated``;
    ``on_agents`` with a score of the agent. ``left_out`` counts those of other judges.
    """

    on_runs: Sequence[tuple[ItemKey, Label]]
    on_agents: Sequence[Label]
    rated: Sequence[PairedRating]
    left_out: int


def match_labels(judging: Judging, labels: Sequence[Label]) -> MatchedLabels:
    """Find for each label the verdict of this judge that it is compared with.

    A label of a run goes with the run: it is compared with the verdict of the judge as it is now (same fingerprint)
    where a report has one on this run, else with one of the same model: in the report that is measured, else in the
    label's own report, else in the newest. A label whose report is gone has kept the verdict. Labels of whole agents,
    and of runs on which there is no verdict, are compared with the score of the agent in their own report.
    """
    on_runs: list[tuple[ItemKey, Label]] = []
    on_agents: list[Label] = []
    verdicts: dict[ItemKey, bool | None] = {}
    left_out = 0
    for label in labels:
        item = _find_item(label, judging) if label.run_id is not None else None
        if item is not None:
            report = judging.reports.get(item.report_id)
            run = None if report is None else report.runs.get((item.agent_id, item.run_id or ""))
            verdicts[item] = label.judge_passed if run is None else run.verdicts.get(item.criterion)
            on_runs.append((item, label))
        elif label.judge_model == judging.model and not label.judge_on_run:
            on_agents.append(label)
        else:
            left_out += 1
    return MatchedLabels(on_runs, on_agents, rate_runs(on_runs, verdicts), left_out)


def _find_item(label: Label, judging: Judging) -> ItemKey | None:
    key = (label.agent_id, label.run_id or "")
    found = [
        (
            report.fingerprint == judging.fingerprint,
            report_id == judging.report_id,
            report_id == label.report_id,
            report_id,
        )
        for report_id, report in judging.reports.items()
        if report.model == judging.model and key in report.runs and label.criterion in report.runs[key].verdicts
    ]
    if found:
        return ItemKey(max(found)[-1], *key, label.criterion)
    return label.unit if label.judge_on_run and label.judge_model == judging.model else None


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
