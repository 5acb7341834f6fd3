"""What two reports have in common, and so may be compared in: the judge, the rubrics, the choice of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.comparison.samples import Samples
from tasks.report.rows import AgentRow, CriterionRow, ReportRow
from tasks.report.stored_report import StoredReport
from tasks.wording.counts import counted
from tasks.wording.shortening import cut

_JUDGE = {
    "model": "judge's model",
    "prompt_version": "version of the judge's prompt",
    "evidence_tokens": "tokens of evidence for the judge",
    "parameters": "parameters of the judge",
}
_NOT_JUDGED = {
    "failed": "its evaluation failed",
    "no_runs": "it had no finished run",
    "no_evidence": "the judge found not enough evidence",
    "not_started": "it was not judged",
    "skipped_budget": "it was not judged, for the limit on cost",
}
_SHOWN = 60
_REPEATED_SHARE = 0.5
_LOST_SHARE = 0.1


def is_same_series(before: ReportRow, after: ReportRow) -> bool:
    """Whether two rows of ``reports`` are of one series, so that one may stand for "the last" of the other: of one
    environment, by the same judge with the same settings, against the same rubric, and asked for the same agents and
    runs (options ``agents``, ``filter_model`` and ``unit``)."""
    return all(
        before.get(name) == after.get(name)
        for name in ("environment", "judge_fingerprint", "judge_settings", "judge_model")
    ) and (
        _parameters(before, "criteria") == _parameters(after, "criteria")
        and asked_agents(before) == asked_agents(after)
        and asked_model(before) == asked_model(after)
        and asked_unit(before) == asked_unit(after)
    )


def asked_agents(report: ReportRow) -> list[str]:
    """The option ``agents`` of a row of ``reports``, sorted; empty: all agents."""
    return sorted(_parameters(report, "options").get("agents") or [])


def asked_model(report: ReportRow) -> str:
    """The option ``filter_model`` of a row of ``reports``; empty: runs of every model."""
    return str(_parameters(report, "options").get("filter_model") or "")


def asked_unit(report: ReportRow) -> str:
    """The option ``unit`` of a row of ``reports``; reports of earlier versions are on runs."""
    return str(_parameters(report, "options").get("unit") or "run")


def _parameters(report: ReportRow, key: str) -> dict[str, Any]:
    return (report.get("parameters") or {}).get(key) or {}


def judge_reasons(baseline: StoredReport, report: StoredReport) -> tuple[str, ...]:
    """Why no score of the two can be compared, one for each thing about the judge that differs; empty when none does.

    Reports made before schema 0002 do not record the settings of their judge: with another model, or without the same
    fingerprint, they are not comparable.
    """
    before, after = baseline.report, report.report
    settings = [row.get("judge_settings") or {} for row in (before, after)]
    if not all(settings):
        if before.get("judge_model") != after.get("judge_model"):
            return (_differs(_JUDGE["model"], before.get("judge_model"), after.get("judge_model")),)
        if before.get("judge_fingerprint") == after.get("judge_fingerprint"):
            return ()
        unknown = baseline.id if not settings[0] else report.id
        return (f"report {unknown} does not record the settings of its judge",)
    known = [(key, _JUDGE.get(key, key)) for key in sorted({*settings[0], *settings[1]})]
    return tuple(
        _differs(title, settings[0].get(key), settings[1].get(key))
        for key, title in known
        if settings[0].get(key) != settings[1].get(key)
    )


def runs_reason(baseline: StoredReport, report: StoredReport) -> str | None:
    """Why not even the runs can be compared, or None: only runs of another model were read, or conversations."""
    units = asked_unit(baseline.report), asked_unit(report.report)
    if units[0] != units[1]:
        return _differs("unit", *units)
    before, after = (reading.option("filter_model") or "" for reading in (baseline, report))
    return None if before == after else _differs("filter_model", before or "every model", after or "every model")


def is_judged(*readings: StoredReport) -> bool:
    """Whether the success of any run of the reports is known from the judge."""
    return any(run.get("success_source") == "judge" for reading in readings for run in reading.runs)


def success_reason(baseline: StoredReport, report: StoredReport) -> str | None:
    """Why success rates cannot be compared, or None: a report has no run of which success is known, or it is known from
    something else. The verdicts of another judge are others."""
    sources = [
        {run.get("success_source") for run in reading.runs if run.get("succeeded") is not None}
        for reading in (baseline, report)
    ]
    for reading, known in zip((baseline, report), sources, strict=True):
        if not known:
            return f"report {reading.id} has no verdicts on runs, so its success is not known"
    if "judge" in sources[0] | sources[1] and (reasons := judge_reasons(baseline, report)):
        return reasons[0]
    if sources[0].isdisjoint(sources[1]):
        names = ["the judge" if "judge" in known else "the source" for known in sources]
        return f"success is known from {names[0]} in report {baseline.id}, from {names[1]} in report {report.id}"
    return None


def has_success(*readings: StoredReport) -> bool:
    """Whether any of the reports has a run of which it is known whether it did its task."""
    return any(run.get("succeeded") is not None for reading in readings for run in reading.runs)


def agents_reasons(baseline: StoredReport, report: StoredReport) -> tuple[str, ...]:
    """What to note when one of the reports is over only some agents (option ``agents``), or over other ones."""
    same_source = baseline.report["environment"] == report.report["environment"]
    looked_at = [
        {row["agent_id"] if same_source else row["agent_name"] for row in reading.asked_agents()}
        for reading in (baseline, report)
    ]
    if looked_at[0] == looked_at[1]:
        return ()
    return tuple(
        f"report {reading.id} is over only {len(keys)} of {counted(len(reading.details), 'agent')} (option agents)"
        for reading, keys in zip((baseline, report), looked_at, strict=True)
        if len(keys) < len(reading.details)
    )


def tasks_reason(samples: Samples) -> str | None:
    """Why the runs of an agent cannot be compared, or None: they repeat tasks, and not the same ones in both reports.

    Runs repeat tasks when at least half of all of them have a task of several runs. Otherwise every run has a task of
    its own, as requests of users have, or does not name it; then runs are taken as drawn from the same lot.
    """
    old, new = samples.old, samples.new
    if not samples.measured or samples.paired or old.keys() == new.keys():
        return None
    common = old.keys() & new.keys()
    repeated = [len(runs) for side in (old, new) for task, runs in side.items() if len(runs) > 1 or task in common]
    if sum(repeated) < _REPEATED_SHARE * sum(len(runs) for side in (old, new) for runs in side.values()):
        return None
    both = "none" if not common else str(len(common))
    return f"other tasks: {len(old)} before, {len(new)} now, {both} of them in both"


def tasks_differ(count: int, total: int) -> str:
    """The reason that a comparison gives as a whole when the tasks of ``count`` of its ``total`` agents differ."""
    whose = f"{count} of {total} agents" if total > 1 else "the agent"
    return f"other tasks of {whose}: a change there cannot be distinguished from the effect of the tasks"


def question_reason(
    before: Mapping[str, CriterionRow],
    after: Mapping[str, CriterionRow],
    descriptions: tuple[Mapping[str, str], Mapping[str, str]],
) -> str | None:
    """Why verdicts on runs are answers to different questions, in a phrase, or None. Weights and thresholds are not in
    the question, nor are criteria that code computes."""
    judged = [{name for name, row in rows.items() if row.get("kind") in (None, "judge")} for rows in (before, after)]
    if changed := sorted(judged[0] ^ judged[1]):
        return f"other rubric: {'without ' if changed[0] in judged[0] else ''}{_cut(changed[0])}" + (
            "" if changed[0] in judged[0] else " is new"
        )
    other = next((name for name in sorted(judged[0]) if descriptions[0].get(name) != descriptions[1].get(name)), None)
    return None if other is None else f"other rubric: {_cut(other)} has another description"


def rubric_reason(
    before: Mapping[str, CriterionRow],
    after: Mapping[str, CriterionRow],
    descriptions: tuple[Mapping[str, str], Mapping[str, str]],
) -> str | None:
    """How two rubrics differ, in a phrase; None when they are the same. Weights count relative to each other."""
    if gone := sorted(before.keys() - after.keys()):
        return f"other rubric: without {_cut(gone[0])}"
    if new := sorted(after.keys() - before.keys()):
        return f"other rubric: {_cut(new[0])} is new"
    shares = [{name: row["weight"] / sum(r["weight"] for r in rows.values()) for name, row in rows.items()}
              for rows in (before, after)]  # fmt: skip
    for name in sorted(before):
        if abs(shares[0][name] - shares[1][name]) > 1e-9:
            return _differs(f"weight of {_cut(name)}", before[name]["weight"], after[name]["weight"])
        if before[name]["threshold"] != after[name]["threshold"]:
            return _differs(f"threshold of {_cut(name)}", before[name]["threshold"], after[name]["threshold"])
        if descriptions[0].get(name) != descriptions[1].get(name):
            return f"other rubric: {_cut(name)} has another description"
    return None


def describe_criteria(reading: StoredReport, agent: AgentRow | None) -> dict[str, str]:
    """What each criterion of an agent (None: of the team) means, by name, as the report's parameters have it."""
    criteria = (reading.report.get("parameters") or {}).get("criteria") or {}
    if agent is None:
        rubric = (criteria.get("team") or {}).get("criteria") or {}
    else:
        own = criteria.get("agents") or {}
        keys = (f"id:{agent['agent_id']}", f"name:{agent['agent_name']}")
        rubric = next((own[key] for key in keys if key in own), criteria.get("default") or {})
    return {name: str((criterion or {}).get("description", "")) for name, criterion in rubric.items()}


def score_reason(row: AgentRow, report_id: int) -> str | None:
    """Why an agent has no score in a report that could be compared, or None."""
    if row["score"] is not None:
        return None
    return f"no score in report {report_id}: {_NOT_JUDGED.get(row['status'], str(row['status']))}"


def unusable_reason(row: AgentRow, report_id: int) -> str | None:
    """Why what verdicts on an agent's runs come to cannot be compared, or None: more than a tenth of them could not be
    used. Which these are is not random, so that a judge that leaves out what failed would make an agent better."""
    counts = row.get("verdicts")
    if not counts or not counts["unusable"]:
        return None
    given = counts["from_judge"] + counts["cannot_tell"] + counts["unusable"]
    if counts["unusable"] <= _LOST_SHARE * given:
        return None
    return f"{counts['unusable']} of {counted(given, 'verdict')} in report {report_id} could not be used"


def _differs(what: str, before: Any, after: Any) -> str:
    return f"other {what}: {_cut(before)} before, {_cut(after)} now"


def _cut(value: object) -> str:
    return cut("unknown" if value is None else str(value), _SHOWN)
