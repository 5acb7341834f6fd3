"""The commands that measure the judge against people, and let it learn from them: label, agreement, align."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from deployments.terminal.option_help import Flag


def label(
    report_id: int,
    /,
    *,
    agents: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    count: int = 20,
    seed: int = 0,
    labeler: str | None = None,
    blind: Annotated[bool, Parameter(negative="--no-blind")] = True,
    csv: Path | None = None,
    template: Path | None = None,
    serve: Flag = False,
    port: int = 0,
    source: Annotated[bool, Parameter(negative="--no-source")] = True,
    json: Flag = False,
) -> int:
    """Label runs of a report by hand.

    Parameters
    ----------
    report_id
        Id of the report (see `agent-report list`).
    agents
        Only runs of these agents, by name or id (id:12).
    count
        Maximum number of runs.
    seed
        Seed of the random sample; the same seed gives the same runs.
    labeler
        Name of the labeler; by default your login name.
    blind
        Hide the judge's verdicts until the end; --no-blind shows them with each question.
    csv
        Read labels from this CSV file instead; if any line is invalid, none are stored. Columns: agent (name or
        id:12), run_id (empty: the agent as a whole), criterion (`(success)`: did it do its task?), passed (yes, no) or
        score (0 to 10), labeler, note.
    template
        Write the sample to this CSV file, for you to fill in.
    serve
        Label on a page in the browser: on 127.0.0.1, behind a link with a secret, until Ctrl-C.
    port
        With `--serve`: port of the page; 0: any free one.
    source
        Read the runs from the source again, to show them in full; --no-source shows the excerpts of the report.
    json
        With `--csv`: print only `{"report_id": …, "labels": [{…}], "empty_lines": …}`, with the stored labels.
    """
    from deployments.labelling.command import LabelOrder, run_label
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        order = LabelOrder(
            report_id, agents or (), count, seed, labeler, blind, csv, template, json, serve, port, source
        )
        return run_label(order)


def align(
    report_id: int,
    /,
    *,
    examples: int = 4,
    seed: int = 0,
    file: Path | None = None,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Write guidance for the judge from people's labels.

    Parameters
    ----------
    report_id
        Id of the report whose labelled runs are used to write and measure the guidance.
    examples
        How many labelled runs the judge is shown as examples, 0 to 20.
    seed
        Seed of the split into labels to learn from and labels to measure with.
    file
        Measure the guidance in this file instead of writing a new one, for instance after you edited it.
    out
        File to write; by default the one that AGENT_REPORT_JUDGE_GUIDANCE names, else judge-guidance.yaml.
    dry_run
        Show how many calls it would take, without calling the judge.
    json
        Show as JSON.
    """
    from deployments.labelling.align import AlignOrder, run_align
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        return run_align(AlignOrder(report_id, examples, seed, file, out, dry_run, json))


def agreement(
    report_id: int | None = None,
    /,
    *,
    environment: str | None = None,
    examples: Flag = False,
    json: Flag = False,
) -> int:
    """Show how well the judge agrees with people.

    Parameters
    ----------
    report_id
        Id of the report whose judge and success rate are measured; by default the newest completed one.
    environment
        Instead of an id: the newest completed report on this environment.
    examples
        Also show the runs on which the judge and people disagree: what the judge answered, with its quotes, and what
        people answered.
    json
        Show as JSON.
    """
    from deployments.labelling.agreement import run_agreement
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        run_agreement(report_id, environment, as_json=json, examples=examples)
    return 0
