"""``source.yaml``: the proposed mapping as a file that a person reads and corrects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

import yaml

from deployments.init.columns import Column
from deployments.init.mapping.guesses import Guess
from deployments.init.mapping.proposal import Proposal, Query
from tasks.sources.contract.statuses import BUILT_IN

_HEAD = """\
# How the columns of your source map to agents and runs; proposed by `agent-report init`, yours to correct.
# Each query gives columns by the names in docs/reference/source-contract.md. Those of runs must include id, agent,
# status, and started_at or completed_at.
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
        lines += ["", "# There is no environment column: all runs belong to this environment."]
        lines.append("# If there is one, remove this line and write `<column> AS environment` in the query.")
        lines.append(_pair("environment", proposal.environment))
    lines += _statuses(proposal)
    return "\n".join(lines) + "\n"


def _doubts(guesses: Mapping[str, Guess]) -> Iterator[str]:
    """A comment for each column that may be another one."""
    for name, guess in guesses.items():
        if guess.others:
            others = "` or `".join(_comment(_selected(name, column)) for column in guess.others)
            yield f"# {name}: read from {_comment(guess.column.name)}. If that is wrong, write `{others}`."
        elif guess.score < _SHAKY or guess.by_values:
            yield f"# {name}: {_comment(guess.column.name)} is a guess. If that is wrong, write `<column> AS {name}`."


def _selected(name: str, column: Column) -> str:
    return column.expression if column.expression == name else f"{column.expression} AS {name}"


def _block(name: str, query: Query) -> list[str]:
    return [f"{name}: |", *(f"  {line}" for line in query.lines())]


def _statuses(proposal: Proposal) -> list[str]:
    guessed = proposal.statuses
    if not guessed.meanings:
        return []
    lines = ["", *_known_words()]
    lines += [f"# {_comment(sentence)}" for sentence in guessed.sentences()]
    # One that is unknown is the likeliest to be wrong, then one that leaves runs out.
    word = next(iter([*guessed.unknown, *guessed.meanings.get("unfinished", ()), *guessed.words]))
    other = "completed" if word in guessed.meanings.get("failed", ()) else "failed"
    lines.append(f"# To change that, move a word to another list, such as `{_comment(_pair(other, [word]))}`.")
    lines.append("statuses:")
    return [*lines, *(f"  {_pair(meaning, words)}" for meaning, words in guessed.meanings.items())]


def _known_words() -> list[str]:
    known = ", ".join(word for words in BUILT_IN.values() for word in words)
    text = f"What the words in status mean. These need no entry: {known}."
    return wrap(text, 118, initial_indent="# ", subsequent_indent="# ")


def _pair(key: str, value: str | Sequence[str]) -> str:
    # A word such as yes or 1 must stay a text.
    plain = value if isinstance(value, str) else list(value)
    written = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=10_000)
    return f"{key}: {written.removesuffix('...' + chr(10)).strip()}"


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:300]
