"""The body of ``agent-report agreement``: figures with intervals, what they mean, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from deployments.labelling.labelled_report import title_of
from deployments.terminal.console import Column, one_line, open_console, plain, print_json, print_table
from deployments.terminal.invocation import printed_command
from tasks.calibration.agreement import (
    ALL,
    MINIMUM_RUNS,
    AgentRate,
    Agreement,
    CriterionAgreement,
    ModeAgreement,
    RunAgreement,
    describe_kappa,
)
from tasks.calibration.disagreements import Disagreement
from tasks.connecting import open_clients
from tasks.evidence.types import AgentId
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.estimate import Estimate
from tasks.wire.trace_pages import NO_PAGES, TracePages
from tasks.wording.counts import counted, is_are

_ENOUGH_RUNS = 40
_MOST_MODES = 12


@open_clients()
def run_agreement(report_id: int | None, environment: str | None, *, as_json: bool, examples: bool = False) -> None:
    """Measure the judge of a report, or of the newest completed one (of ``environment``), and print it; with
    ``examples`` the runs on which it and people disagree as well.

    Raises:
        RefusedError: there is no such report.
    """
    from tasks.clients import current_clients
    from tasks.stored.agreement import find_report, load_disagreements, measure

    clients = current_clients()
    stored = clients.warehouse()
    report = find_report(stored, report_id, environment)
    found = measure(stored, report)
    disagreements = load_disagreements(stored, report) if examples else []
    if as_json:
        shown = {"examples": [asdict(one) for one in disagreements]} if examples else {}
        print_json(found.model_dump(mode="json") | shown)
        return
    console = open_console()
    names = {row["agent_id"]: row["agent_name"] for row in stored.load_agents(report["id"])}
    print_agreement(console, found, names)
    if examples:
        print_examples(console, disagreements, clients.settings.trace_pages)


def print_agreement(console: Console, agreement: Agreement, names: Mapping[AgentId, str]) -> None:
    """Judge against people, success rates, the judge against itself, people among themselves, and the next step;
    ``names`` are those of the agents."""
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
    if agreement.runs:
        console.print("\nJudge against people, on single runs", style="bold")
        _print_runs(console, agreement.runs)
        _print_modes(console, agreement.failure_modes)
    if agreement.outcomes is not None:
        console.print("\nJudge against the outcomes that the source states", style="bold")
        _print_runs(console, [agreement.outcomes], explained=not agreement.runs)
    if agreement.labels or agreement.outcomes is not None:
        _print_success_rate(console, agreement)
        _print_agent_rates(console, agreement.agent_rates, names)
    if agreement.criteria:
        console.print("\nScores of whole agents against people", style="bold")
        _print_criteria(console, agreement.criteria)
    _print_repeats(console, "The judge against itself, asked again", agreement.stability)
    _print_repeats(console, "People among themselves", agreement.people)
    console.print(Text.assemble(("\nNext: ", "bold"), next_step(agreement)), soft_wrap=True)


def next_step(agreement: Agreement) -> str:
    """The next step, in a sentence."""
    label = printed_command("label", agreement.report_id)
    if not agreement.labels:
        return f"`{label}` asks about a sample of runs; {_ENOUGH_RUNS} runs are enough to start."
    success = next((found for found in agreement.runs if found.question == SUCCESS_QUESTION), None)
    if success is None or success.runs < _ENOUGH_RUNS:
        have = 0 if success is None else success.runs
        return (
            f"label more runs (`{label} --count {_ENOUGH_RUNS}`): {have} {is_are(have)} labelled, and {_ENOUGH_RUNS} "
            "make the intervals narrow enough to act on. Labels on later reports count too."
        )
    if agreement.left_out > agreement.labels:
        return f"most labels are of another judge: label this one's report (`{label}`)."
    if not agreement.people and agreement.labelers < 2:
        return f"let a second person label the same runs (`{label} --labeler NAME`): it shows how well people agree."
    examples = printed_command("agreement", agreement.report_id, "--examples")
    if success.kappa.value is not None and success.kappa.value < 0.6:
        worst = min(
            (found for found in agreement.runs if found.question != SUCCESS_QUESTION and found.kappa.value is not None),
            key=lambda found: found.kappa.value or 0,
            default=None,
        )
        on = f", most on {worst.question}" if worst else ""
        align = printed_command("align", agreement.report_id)
        return (
            f"judge and people disagree on too many runs{on}: `{examples}` shows them; sharpen the criteria's "
            f"descriptions, or let `{align}` write guidance for the judge from them."
        )
    return "the judge can be relied on as far as the intervals show; label some runs again after any change of it."


def print_examples(console: Console, disagreements: Sequence[Disagreement], pages: TracePages = NO_PAGES) -> None:
    """Each run on which the judge and people disagree: what both answered, with the judge's quotes and its trace."""
    console.print(f"\nDisagreements on runs: {len(disagreements)}", style="bold")
    for one in disagreements:
        console.print()
        console.rule(style="dim")
        head = Text.assemble(one_line(one.agent_name, "bold"), " · ", one_line(f"run {one.run_id}"))
        console.print(
            head.append(f" · report {one.report_id} · ").append_text(one_line(title_of(one.question), "bold"))
        )
        for title, text in (("Task", one.task), ("Response", one.response), ("Error", one.error)):
            if text:
                console.print(Text.assemble((f"{title}: ", "bold"), plain(text)))
        if url := pages.url(one.trace_id, one.run_id, one.session_id):
            console.print(Text.assemble(("Trace: ", "bold"), one_line(url)), soft_wrap=True)
        mode = f" ({one.failure_mode})" if one.failure_mode else ""
        step = f", candidate step {one.step}" if one.step else ""
        console.print(Text.assemble(("The judge: ", "bold"), one_line(f"{_verdict(one.judge)}{mode}{step}")))
        for quote in one.quotes:
            console.print(Text.assemble("  ", one_line(f"{quote.label}: “{quote.text}”", "dim")))
        if not one.people:
            console.print(Text.assemble(("The source: ", "bold"), _verdict(one.passed)))
        for answer in one.people:
            note = f": {answer.note}" if answer.note else ""
            line = Text.assemble(one_line(f"{answer.labeler}:", "bold"), " ", one_line(_verdict(answer.passed) + note))
            console.print(line)


def _verdict(passed: bool) -> str:
    return "passes" if passed else "fails"


def _print_runs(console: Console, found: Sequence[RunAgreement], *, explained: bool = True) -> None:
    columns = [
        Column("Question", [one_line(title_of(one.question)) for one in found], folds=True),
        Column("Runs", [str(one.runs) for one in found], justify="right"),
        Column("Agents", [str(one.agents) for one in found], rank=3, justify="right"),
        Column("Sensitivity", [_share(one.sensitivity) for one in found]),
        Column("Specificity", [_share(one.specificity) for one in found]),
        Column("Kappa", [_figure(one.kappa, 2) for one in found]),
        # In a column of its own: on a terminal of 80 columns the word gives way, and not the figure.
        Column("", [_kappa_word(one.kappa) for one in found], rank=4),
        Column("Same verdict", [_share(one.same_verdict) for one in found], rank=1, justify="right"),
        Column("Judge undecided", [str(one.undecided) for one in found], rank=2, justify="right"),
    ]
    print_table(console, columns)
    if explained:
        console.print(
            Text(
                "Sensitivity: of the runs that people pass, the share that the judge passes. Specificity: of those "
                "that they fail, the share that it fails. Kappa: agreement beyond chance (Cohen 1960; words of Landis "
                "and Koch 1977). Labelled runs count for those that were not labelled, too. In brackets: 95% "
                f"intervals, by {found[0].by if found else 'runs'}; –: too few labels, or all alike.",
                style="dim",
            )
        )


def _print_modes(console: Console, modes: Sequence[ModeAgreement]) -> None:
    if not modes:
        return
    shown = modes[:_MOST_MODES]
    columns = [
        Column("Failure mode, by the judge", [one_line(mode.failure_mode) for mode in shown], folds=True),
        Column("Runs labelled", [str(mode.runs) for mode in shown], justify="right"),
        Column("Failed by people too", [f"{mode.confirmed}, {_share(mode.share)}" for mode in shown]),
    ]
    print_table(console, columns)
    if len(modes) > len(shown):
        console.print(Text(f"and {len(modes) - len(shown)} more failure modes (--json)", style="dim"))


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
            "deviation of that. In brackets: 95% intervals; –: too few labels, or all alike.",
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


def _print_success_rate(console: Console, agreement: Agreement) -> None:
    line = Text.assemble("\nSuccess rate of report ", str(agreement.report_id), " (share of runs): ")
    line.append(f"by the judge {_share(agreement.success_rate)}; ")
    if agreement.corrected_success_rate.value is None:
        line.append("corrected: not known, as ")
        line.append_text(one_line(agreement.uncorrected or "there are too few labels"))
    else:
        line.append(f"corrected for its errors {_share(agreement.corrected_success_rate)}", "bold")
    console.print(line)


def _print_agent_rates(console: Console, rates: Sequence[AgentRate], names: Mapping[AgentId, str]) -> None:
    shown = [rate for rate in rates if rate.corrected.value is not None]
    if shown:
        columns = [
            Column("Agent", [one_line(names.get(rate.agent_id, rate.agent_id)) for rate in shown], folds=True),
            Column("Success by the judge", [_share(rate.judged) for rate in shown]),
            Column("Corrected by its own labels", [_share(rate.corrected) for rate in shown]),
        ]
        print_table(console, columns)
    if left := len(rates) - len(shown):
        text = (
            f"{counted(left, 'agent has', 'agents have')} too few labels for a corrected rate of their own: "
            f"{MINIMUM_RUNS} labelled runs or more are needed (`{printed_command('label')} … --agents NAME`)"
        )
        console.print(Text(text, style="dim"))


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


def _kappa_word(estimate: Estimate) -> str:
    return "" if estimate.value is None else describe_kappa(estimate.value)


def _share(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.0%}"
    return f"{estimate.value:.0%} ({estimate.low * 100:.0f} to {estimate.high:.0%})"
