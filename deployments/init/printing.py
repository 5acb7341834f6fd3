"""What ``init`` prints: the tables, the mapping with a sample of each column, the runs, the files, what comes next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from deployments.init.columns import Column as Found
from deployments.init.files import WrittenFile
from deployments.init.looking import Look
from deployments.source_survey import Survey, named, word_counts
from deployments.terminal.console import Column, one_line, plain, print_table
from deployments.terminal.invocation import printed_command
from tasks.sources.source import SourceCounts
from tasks.wording.counts import counted
from tasks.wording.shortening import cut

ENV_FILE = ".env"
_NO_KEY = "no key for the judge"
_MOST_TABLES = 12
_MOST_COLUMNS = 9
_SAMPLE_CHARACTERS = 60
_EXPRESSION_CHARACTERS = 60
_REDACTED_CHARACTERS = 2_000
_MOST_PROBLEMS = 3


def print_look(console: Console, look: Look) -> None:
    """The source, its tables, and the proposed mapping."""
    console.print(Text.assemble(("Source ", "bold"), one_line(look.shown), f": {look.known}" if look.known else ""))
    roles = _roles(look)
    ordered = sorted(look.tables, key=lambda table: (table.name not in roles, table.name))
    for table in ordered[:_MOST_TABLES]:
        columns = named([column.name for column in table.columns], _MOST_COLUMNS)
        rows = "" if table.rows is None else f", {counted(table.rows, 'row')}"
        role = f"  ({roles[table.name]})" if table.name in roles else ""
        line = Text.assemble("  ", one_line(f"{table.name}{rows}: {columns}"), (role, "green"))
        console.print(line, soft_wrap=True)
    if len(ordered) > _MOST_TABLES:
        console.print(f"  and {len(ordered) - _MOST_TABLES:,} more")
    if look.proposal is not None:
        _print_mapping(console, look)


def _roles(look: Look) -> dict[str, str]:
    if look.proposal is None:
        return {}
    agents = {look.proposal.agents.name: "agents"} if look.proposal.agents else {}
    return agents | {look.proposal.runs.name: "runs"}


def _print_mapping(console: Console, look: Look) -> None:
    proposal = look.proposal
    assert proposal is not None
    rows = [
        (guess.field, guess.column.name, _sample(guess.column, look), ", ".join(other.name for other in guess.others))
        for guess in proposal.guesses.values()
    ]
    rows += [
        (name, cut(expression, _EXPRESSION_CHARACTERS), "", "")
        for name, expression in proposal.runs_query.columns.items()
        if name not in proposal.guesses
    ]
    fields, columns, samples, others = ([one_line(cell) for cell in cells] for cells in zip(*rows, strict=True))
    print_table(
        console,
        [
            Column("Field", fields),
            Column("Column", columns, folds=True),
            Column("For example", samples, rank=1, folds=True),
            Column("Or", others, rank=2, folds=True),
        ],
    )
    for note in proposal.notes:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(note)), soft_wrap=True)
    if proposal.statuses.meanings:
        chosen = " ".join([*proposal.statuses.sentences(), "To change that, edit `statuses` in source.yaml."])
        console.print(Text.assemble(("Note: ", "yellow"), one_line(chosen)), soft_wrap=True)


def _sample(column: Found, look: Look) -> str:
    value = next(iter(column.values), "")
    return cut(look.redact(str(value)[:_REDACTED_CHARACTERS]), _SAMPLE_CHARACTERS)


def print_found(
    console: Console,
    survey: Survey,
    counts: SourceCounts | None,
    *,
    limit: int,
    may_choose: bool,
    mapping: str,
    explained: Collection[str] = (),
) -> None:
    """The environments, agents, runs and statuses of the source; at most ``limit`` runs of each agent were read.

    ``may_choose``: the environment was not asked for. ``mapping`` is the file that gives statuses a meaning, "" if none
    can; of the statuses in ``explained``, a note above shows how they count.
    """
    if len(survey.environments) > 1:
        console.print(Text.assemble("  ", one_line(f"{_totals(survey, counts)}: {named(survey.environments)}")))
    else:
        console.print(Text.assemble("  ", one_line(survey.places)))
    agents = f"{counted(len(survey.agents), 'agent')}: {named(survey.agents)}" if survey.agents else "no agent"
    if survey.environment:
        idle = f" ({survey.idle} without runs)" if survey.idle else ""
        console.print(Text.assemble("  in ", one_line(f"{survey.environment}: {agents}{idle}")))
        if may_choose and len(survey.environments) > 1:
            console.print("  choose another with --environment NAME")
    read = f"{counted(survey.runs, 'run')} read (the newest, at most {limit} of each agent), {survey.newest_run}"
    console.print(f"  {read}")
    if survey.statuses:
        console.print(Text.assemble("  statuses: ", one_line(word_counts(survey.statuses))))
    if survey.conventions:
        console.print(Text.assemble("  conventions of their spans: ", one_line(word_counts(survey.conventions))))
    unfinished = {word: count for word, count in survey.unfinished.items() if word not in explained}
    if unfinished:
        left = f"left out as unfinished: {word_counts(unfinished)}"
        if mapping and (words := [word for word in survey.own_unfinished if word not in explained]):
            left += f"; to count them, put {named(words)} under completed or failed in the statuses of {mapping}"
        console.print(Text.assemble(("Note: ", "yellow"), one_line(left)), soft_wrap=True)
    for problem in survey.problems[:_MOST_PROBLEMS]:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(problem)), soft_wrap=True)


def _totals(survey: Survey, counts: SourceCounts | None) -> str:
    """``72 environments, 310 agents, 4,021 runs``, as far as that is known."""
    parts = [counted(len(survey.environments), "environment")]
    if counts is not None:
        parts.append(counted(sum(counts.agents.values()), "agent"))
        parts += [counted(sum(counts.runs.values()), "run")] if counts.is_whole else []
    return ", ".join(parts)


def print_files(console: Console, files: Sequence[WrittenFile], *, is_overridden: bool) -> None:
    """The files that were written, those that were there, and which are in use; the settings are the last of them."""
    for file in files:
        if not file.is_new:
            console.print(Text.assemble(plain(file.path), " is there already, and the same"))
        elif file.is_beside:
            why = ", since another file is there already: "
            console.print(Text.assemble(("Wrote ", "green"), plain(file.path), why, plain(file.wanted)))
        else:
            console.print(Text.assemble(("Wrote ", "green"), plain(file.path)))
    if files[-1].is_beside:
        new = " and ".join(file.path.name for file in files if file.is_new or file.is_beside)
        mapping = f"; it names {files[0].path.name}" if len(files) > 1 else ""
        note = (
            f"not in use: {new}. `doctor` and `run` read {ENV_FILE} as it was; the estimate below is of the new "
            f"settings. To adopt them, rename {files[-1].path.name} to {ENV_FILE}{mapping}"
        )
        console.print(Text.assemble(("Note: ", "yellow"), one_line(note)), soft_wrap=True)
    if is_overridden:
        note = "AGENT_REPORT_SOURCE_URL in your environment names another source, and takes precedence over .env"
        console.print(Text.assemble(("Note: ", "yellow"), note))


def next_steps(survey: Survey, files: Sequence[WrittenFile], judge_problem: str) -> list[str]:
    """What to do next, in order; ``judge_problem`` is why the judge cannot be called yet, or empty."""
    steps = []
    if files[-1].is_beside:
        steps.append(f"rename {files[-1].path.name} to {ENV_FILE}, to use the new settings")
    if judge_problem.startswith(_NO_KEY):
        steps.append(f"set OPENAI_API_KEY in {ENV_FILE} (or OPENAI_BASE_URL for another endpoint)")
    elif judge_problem:
        steps.append(f"correct the judge's settings: {judge_problem}")
    return [*steps, printed_command("doctor"), printed_command("run", survey.environment)]


def print_next(
    console: Console, survey: Survey, estimate: Mapping[str, Any], output: Path, steps: Sequence[str]
) -> None:
    """The steps that come next."""
    folder = "" if output.resolve() == Path.cwd() else f" in {output}"
    if estimate["calls"]:
        console.print(Text.assemble(("Next", "bold"), plain(folder), ":"))
        for number, step in enumerate(steps, 1):
            console.print(Text.assemble(f"  {number}. ", one_line(step)), soft_wrap=True)
    elif others := [name for name in survey.environments if name != survey.environment]:
        line = f"Nothing to judge in {survey.environment}; choose another with --environment: {named(others)}"
        console.print(one_line(line), soft_wrap=True)
