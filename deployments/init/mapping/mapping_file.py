"""``source.yaml``: the proposed mapping as a file that a person reads and corrects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml

from deployments.init.mapping.guesses import Guess
from deployments.init.mapping.proposal import Proposal, Query

_HEAD = """\
# How the columns of your source map to agents and runs; proposed by `agent-report init`, yours to correct.
# Each query gives columns by the names in docs/guide/your-agents.md; only id, agent and status are needed in runs.
"""
_SHAKY = 0.7


def render_mapping(proposal: Proposal, shown: str) -> str:
    """The file for the source ``shown`` (without credentials)."""
    lines = [*_HEAD.splitlines(), f"# Source: {_comment(shown)}"]
    lines += [f"# Note: {_comment(note)}." for note in proposal.notes]
    if proposal.others:
        lines.append(f"# Other tables that may hold runs: {_comment(', '.join(proposal.others))}")
    lines += _doubts(proposal.guesses)
    lines += ["", *_block("runs", proposal.runs_query)]
    if proposal.agents_query is not None:
        lines += ["", *_block("agents", proposal.agents_query)]
    if proposal.environment:
        lines += ["", "# No column says which environment a run is of; all are of this one."]
        lines.append(_pair("environment", proposal.environment))
    lines += _statuses(proposal)
    return "\n".join(lines) + "\n"


def _doubts(guesses: Mapping[str, Guess]) -> Iterator[str]:
    """A comment for each column that may be another one."""
    for name, guess in guesses.items():
        if guess.others:
            others = ", ".join(column.name for column in guess.others)
            yield f"# {name}: read from {_comment(guess.column.name)}; it may also be {_comment(others)}"
        elif guess.score < _SHAKY:
            yield f"# {name}: {_comment(guess.column.name)} is a guess"


def _block(name: str, query: Query) -> list[str]:
    return [f"{name}: |", *(f"  {line}" for line in query.lines())]


def _statuses(proposal: Proposal) -> list[str]:
    if not proposal.statuses and not proposal.unknown:
        return []
    lines = [
        "",
        "# What the words in status mean; those of the usual meaning (completed, failed, running, …) need no entry.",
    ]
    if proposal.unknown:
        lines.append(f"# Without an entry, and so unfinished: {_comment(', '.join(proposal.unknown))}")
    if proposal.statuses:
        lines.append("statuses:")
        lines += [f"  {_pair(meaning, words)}" for meaning, words in proposal.statuses.items()]
    return lines


def _pair(key: str, value: str | Sequence[str]) -> str:
    # A word such as yes or 1 must stay a text.
    plain = value if isinstance(value, str) else list(value)
    written = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
    return f"{key}: {written.removesuffix('...' + chr(10)).strip()}"


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:300]
