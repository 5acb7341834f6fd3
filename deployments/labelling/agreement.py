"""The body of ``agent-report agreement``: figures with intervals, what they mean, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from deployments.terminal.console import Column, one_line, open_console, print_json, print_table
from deployments.terminal.invocation import printed_command
from tasks.calibration.agreement import ALL, ENOUGH_AGENTS, Agreement, CriterionAgreement, describe_kappa
from tasks.connecting import open_clients
from tasks.statistics.estimate import Estimate
from tasks.wording.counts import counted, is_are


@open_clients()
def run_agreement(report_id: int | None, environment: str | None, *, as_json: bool) -> None:
    """Measure the judge of a report, or of the newest completed one (of ``environment``), and print it.

    Raises:
        RefusedError: there is no such report.
    """
    from tasks.clients import current_clients
    from tasks.stored.agreement import find_report, measure

    stored = current_clients().warehouse()
    found = measure(stored, find_report(stored, report_id, environment))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_agreement(open_console(), found)


def print_agreement(console: Console, agreement: Agreement) -> None:
    """Judge against people, the pass rate, the judge against itself, people among themselves, and the next step."""
    head = Text.assemble("Judge ", one_line(agreement.judge_model or "unknown", "bold"), " on ")
    head.append_text(one_line(agreement.environment, "bold"))
    if agreement.labels:
        people = counted(agreement.labelers, "person", "people")
        head.append(f": {counted(agreement.labels, 'label')} by {people}")
        if agreement.last_labeled_at is not None:
            head.append(f", the last on {agreement.last_labeled_at:%Y-%m-%d}")
    else:
        head.append(": no labels yet")
    console.print(head)
    for warning in agreement.warnings:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(warning)))
    if agreement.labels:
        console.print("\nJudge against people", style="bold")
        _print_criteria(console, agreement.criteria)
        _print_pass_rate(console, agreement)
    _print_repeats(console, "The judge against itself, asked again", agreement.stability)
    _print_repeats(console, "People among themselves", agreement.people)
    console.print(Text.assemble(("\nNext: ", "bold"), next_step(agreement)), soft_wrap=True)


def next_step(agreement: Agreement) -> str:
    """The next step, in a sentence."""
    label = printed_command("label", agreement.report_id)
    if not agreement.labels:
        return f"`{label}` asks about a sample of runs; {ENOUGH_AGENTS} agents are enough to start."
    whole = next((found for found in agreement.criteria if found.criterion == ALL), CriterionAgreement(criterion=ALL))
    if whole.agents < ENOUGH_AGENTS:
        return (
            f"label more agents (`{label} --count {2 * ENOUGH_AGENTS}`): "
            f"{whole.agents} {is_are(whole.agents)} labelled, "
            f"and {ENOUGH_AGENTS} make the intervals narrow enough to act on. Labels on later reports count too."
        )
    if agreement.left_out > agreement.labels:
        return f"most labels are of another judge: label this one's report (`{label}`)."
    if not agreement.people and agreement.labelers < 2:
        return f"let a second person label the same runs (`{label} --labeler NAME`): it shows how well people agree."
    if agreement.run_labels:
        return (
            f"label agents as a whole (`{label} --csv labels.csv`, with run_id left empty): labels of runs say too "
            "little about scores of agents to act on."
        )
    bias = whole.bias
    if bias.low is not None and bias.high is not None and not bias.low <= 0 <= bias.high:
        side = "generous" if bias.low > 0 else "severe"
        return (
            f"the judge is too {side} by about {abs(bias.value or 0):.1f} points: shift thresholds by as much, or say "
            "in the criteria's descriptions what a middling score looks like."
        )
    if whole.kappa.value is not None and whole.kappa.value < 0.6:
        worst = min(
            (c for c in agreement.criteria if c.criterion != ALL and c.kappa.value is not None),
            key=lambda c: c.kappa.value or 0,
            default=None,
        )
        on = f", most on {worst.criterion}" if worst else ""
        return (
            f"judge and people disagree on too many verdicts{on}: sharpen the criterion's description, or try "
            "another judge model."
        )
    return "the judge can be relied on as far as the intervals say; label some runs again after any change of it."


def _print_criteria(console: Console, criteria: Sequence[CriterionAgreement]) -> None:
    columns = [
        Column("Criterion", [one_line(_title(found)) for found in criteria], folds=True),
        Column("Agents", [str(found.agents) for found in criteria], justify="right"),
        Column("Same verdict", [_share(found.same_verdict) for found in criteria], rank=3, justify="right"),
        Column("Kappa", [_kappa(found.kappa) for found in criteria]),
        Column("Weighted kappa", [_kappa(found.weighted_kappa) for found in criteria], rank=2),
        Column("Rank", [_figure(found.rank_correlation, 2) for found in criteria], rank=4),
        Column("Bias", [_figure(found.bias, 1, signed=True) for found in criteria]),
        Column("Noise", [_figure(found.noise, 1) for found in criteria], rank=1),
    ]
    print_table(console, columns)
    console.print(
        Text(
            "Kappa: agreement on pass or fail beyond chance (Cohen 1960; words of Landis and Koch 1977); weighted: on "
            "scores. Rank: Spearman's correlation of scores. Bias: judge - people, in points of 10. Noise: standard "
            "deviation of that. In brackets: 95 % intervals; –: too few labels, or all alike.",
            style="dim",
        )
    )
    whole = criteria[0] if criteria else None
    if whole is not None and whole.sampling_noise is not None and whole.noise.value:
        console.print(
            Text(
                f"People have seen only some of the runs: that alone makes a noise of about "
                f"{whole.sampling_noise:.1f}, which more runs an agent make smaller.",
                style="dim",
            )
        )


def _print_pass_rate(console: Console, agreement: Agreement) -> None:
    line = Text.assemble("\nPass rate of report ", str(agreement.report_id), " (agents and criteria): ")
    line.append(f"by the judge {_share(agreement.pass_rate)}; ")
    if agreement.corrected_pass_rate.value is None:
        line.append("corrected: not known, as ")
        line.append_text(one_line(agreement.uncorrected or "there are too few labels"))
        console.print(line)
        return
    line.append(f"corrected for its errors {_share(agreement.corrected_pass_rate)}", "bold")
    console.print(line)
    console.print(
        f"Of what people pass, the judge passes {_share(agreement.sensitivity)}; of what they fail, it fails "
        f"{_share(agreement.specificity)}."
    )


def _print_repeats(console: Console, title: str, found: Sequence[CriterionAgreement]) -> None:
    if not found:
        return
    console.print(f"\n{title}", style="bold")
    columns = [
        Column("Criterion", [one_line(_title(one)) for one in found], folds=True),
        Column("Questions", [str(one.kappa.n) for one in found], justify="right"),
        Column("Kappa", [_kappa(one.kappa) for one in found]),
        Column("Weighted kappa", [_kappa(one.weighted_kappa) for one in found], rank=1),
        Column("Deviation", [_figure(one.noise, 1) for one in found]),
        Column("Unstable verdicts", [_share(one.unstable) for one in found], rank=2),
    ]
    print_table(console, columns)


def _title(found: CriterionAgreement) -> str:
    return "all criteria" if found.criterion == ALL else found.criterion


def _figure(estimate: Estimate, digits: int, *, signed: bool = False) -> str:
    if estimate.value is None:
        return "–"
    sign = "+" if signed else ""
    shown = f"{estimate.value:{sign}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return shown
    return f"{shown} ({estimate.low:{sign}.{digits}f} to {estimate.high:{sign}.{digits}f})"


def _kappa(estimate: Estimate) -> str:
    shown = _figure(estimate, 2)
    return shown if estimate.value is None else f"{shown} {describe_kappa(estimate.value)}"


def _share(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.0%}"
    return f"{estimate.value:.0%} ({estimate.low * 100:.0f} to {estimate.high:.0%})"
