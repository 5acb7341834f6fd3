"""The mapping that is proposed for a database or files: which tables, which columns, and the queries in the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from deployments.init.columns import Column
from deployments.init.mapping.guesses import Guess, guess_agent, guess_agent_by_values, guess_run, singular, words_of
from deployments.init.mapping.links import Link, find_agents, find_label
from deployments.init.mapping.parts import find_parts
from deployments.init.mapping.status_words import GuessedStatuses, guess_statuses
from deployments.init.mapping.vocabulary import FAILED_FLAGS, PART_TABLES, RUN_TABLES, STEP_TYPES, STEP_WORDS
from deployments.init.tables import Table

_WEIGHTS = {
    "id": 0.1,
    "agent": 0.2,
    "status": 0.12,
    "started_at": 0.12,
    "completed_at": 0.05,
    "task": 0.2,
    "final_response": 0.2,
    "messages": 0.1,
    "tool_calls": 0.05,
    "input_tokens": 0.04,
    "output_tokens": 0.04,
    "model_name": 0.04,
    "error": 0.04,
}
_LEAST = 0.25
_JUDGED = {"task", "final_response", "messages", "tool_calls", "execution_steps"}
_OWN_STATUS = "if one has, write `<column> AS status`"
_SURE_ENVIRONMENT = 0.5
_SURE_TEXT = 0.7
_TEXTS = ("task", "final_response")
_DIVISORS = (({"ms", "millis", "milliseconds", "msec"}, "1000.0"), ({"cents"}, "100.0"))

CountValues = Callable[[Table, str], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT of the mapping: expressions by the contract's names, and the rest of the statement."""

    columns: Mapping[str, str]
    source: str
    where: str = ""

    def lines(self) -> list[str]:
        """The statement, a line for each column."""
        selected = [
            expression if expression == name else f"{expression} AS {name}" for name, expression in self.columns.items()
        ]
        return [
            "SELECT",
            *(f"  {text}," for text in selected[:-1]),
            f"  {selected[-1]}",
            self.source,
            *([self.where] if self.where else []),
        ]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping that is proposed. ``guesses`` are the columns of runs, ``statuses`` the words that need a meaning;
    ``others`` are further tables that may hold runs, ``notes`` sentences for people."""

    runs: Table
    guesses: Mapping[str, Guess]
    runs_query: Query
    agents: Table | None = None
    agents_query: Query | None = None
    environment: str = ""
    statuses: GuessedStatuses = field(default_factory=GuessedStatuses)
    others: Sequence[str] = ()
    notes: Sequence[str] = ()


def rank_runs(tables: Sequence[Table]) -> list[tuple[float, Table]]:
    """The tables that may hold runs, the likeliest first, with scores."""
    scored = [(_runs_score(place), place) for place in tables]
    found = sorted(((score, place) for score, place in scored if score >= _LEAST), key=lambda entry: -entry[0])
    # A single table, as of files, needs no more than something to judge.
    return found or [entry for entry in scored if len(scored) == 1 and guess_run(entry[1]).keys() & _JUDGED]


def _runs_score(place: Table) -> float:
    guesses = guess_run(place)
    score = sum(_WEIGHTS.get(name, 0.01) * guess.score for name, guess in guesses.items())
    words = set(singular(words_of(place.name)))
    if words & PART_TABLES:
        score *= 0.5
    elif words & RUN_TABLES:
        score *= 1.25
    return score * (0.6 if place.rows == 0 else 1.0)


def propose(tables: Sequence[Table], dialect: str, count_values: CountValues, now: datetime) -> Proposal | None:
    """A mapping for ``tables``, or None where none of them looks like runs.

    ``count_values(table, expression)`` counts the rows by value. Where no column has a date, all runs are of ``now``
    (aware).
    """
    ranked = rank_runs(tables)
    if not ranked:
        return None
    runs = ranked[0][1]
    guesses = _with_sure_id(runs, guess_run(runs), count_values)
    notes: list[str] = []
    agents = find_agents(runs, guesses.get("agent"), tables)
    if "agent" not in guesses and (by_values := guess_agent_by_values(runs, guesses)) is not None:
        guesses = {"agent": by_values, **guesses}
    if agents is not None:
        others = [column for column in _candidates(guesses.get("agent")) if column.name != agents.column.name]
        guesses["agent"] = Guess("agent", agents.column, 1.0, others[:3])
        guesses = {
            name: guess for name, guess in guesses.items() if name == "agent" or guess.column is not agents.column
        }
    columns: dict[str, str] = {
        "id": _id(runs, guesses, dialect, notes),
        "agent": _agent(runs, guesses, notes),
        "status": _status(runs, guesses, notes),
    }
    place = _environment(runs, guesses, agents, tables)
    if place:
        columns["environment"] = place
    else:
        guesses.pop("environment", None)
    parts = find_parts(runs, guesses, tables, dialect)
    if "messages" in parts:
        # The conversation shows what was asked; a title does not.
        guesses = {name: guess for name, guess in guesses.items() if name not in _TEXTS or guess.score >= _SURE_TEXT}
    for name, guess in guesses.items():
        if name not in columns and name != "environment":
            columns[name] = _converted(name, guess.column)
    columns |= {name: expression for name, expression in parts.items() if name not in columns}
    if not columns.keys() & {"started_at", "completed_at"}:
        columns["started_at"] = _literal(now.isoformat(sep=" ", timespec="seconds"))
        notes.append(
            "no column was found for the start of a run, so all count as started now, and periods such as 7d have no "
            "effect; if a column holds it, write `<column> AS started_at`"
        )
    status = guesses.get("status")
    words = (count_values(runs, columns["status"]) or Counter(map(str, status.column.values))) if status else {}
    where = _without_steps(runs, guesses, notes)
    return Proposal(
        runs=runs,
        guesses=guesses,
        runs_query=Query(columns, f"FROM {runs.expression}", where),
        agents=agents.table if agents else None,
        agents_query=_agents_query(agents) if agents else None,
        environment="" if place else "production",
        # Counts of a table with steps in it are not those of the runs.
        statuses=guess_statuses(words, is_counted=not where),
        others=[
            place.name
            for score, place in ranked[1:4]
            if score > ranked[0][0] * 0.6 and (not agents or place is not agents.table)
        ],
        notes=notes,
    )


def _candidates(guess: Guess | None) -> list[Column]:
    return [] if guess is None else [guess.column, *guess.others]


def _with_sure_id(runs: Table, guesses: dict[str, Guess], count_values: CountValues) -> dict[str, Guess]:
    """``guesses`` without an id that only the sample's values suggest, where these return in other rows."""
    guess = guesses.get("id")
    if guess is None or not guess.by_values:
        return guesses
    for at, column in enumerate(_candidates(guess)):
        if max(count_values(runs, column.expression).values(), default=1) == 1:
            return guesses | {"id": replace(guess, column=column, others=guess.others[at:])}
    return {name: found for name, found in guesses.items() if name != "id"}


def _id(runs: Table, guesses: Mapping[str, Guess], dialect: str, notes: list[str]) -> str:
    if "id" in guesses:
        return guesses["id"].column.expression
    used = {guess.column.name for guess in guesses.values()}
    key = next((column for column in runs.columns if column.is_key), None)
    if key is not None and key.name not in used:
        return key.expression
    if dialect == "sqlite":
        return "rowid"
    notes.append(
        "no column identifies a run, so a checksum of the whole row does; identical rows are one run; "
        "if a column does, write `<column> AS id`"
    )
    return f"md5(CAST({runs.expression} AS VARCHAR))"


def _agent(runs: Table, guesses: Mapping[str, Guess], notes: list[str]) -> str:
    if "agent" in guesses:
        return guesses["agent"].column.expression
    notes.append(
        f"no column names the agent, so all runs are of one agent, {runs.name}; if one does, write `<column> AS agent`"
    )
    return _literal(runs.name)


def _status(runs: Table, guesses: dict[str, Guess], notes: list[str]) -> str:
    if "status" in guesses:
        return guesses["status"].column.expression
    if "succeeded" in guesses:
        # As a status; what the contract calls succeeded is another thing.
        column = guesses.pop("succeeded").column
        notes.append(f"no column has a status: {column.name} decides whether a run completed or failed; {_OWN_STATUS}")
        return _by_flag(column, "completed", "failed")
    flag = next(
        (
            column
            for column in (*runs.columns, *runs.nested)
            if (column.path[-1] if column.path else column.name).lower() in FAILED_FLAGS
            and column.kind in ("bool", "number")
        ),
        None,
    )
    if flag is not None:
        notes.append(f"no column has a status: {flag.name} decides whether a run completed or failed; {_OWN_STATUS}")
        return _by_flag(flag, "failed", "completed")
    if "error" in guesses:
        column = guesses["error"].column
        notes.append(
            f"no column has a status: a run with {column.name} has failed, any other has completed; {_OWN_STATUS}"
        )
        empty = f"{column.expression} IS NULL OR CAST({column.expression} AS CHAR(10)) = ''"
        return f"CASE WHEN {empty} THEN 'completed' ELSE 'failed' END"
    notes.append(f"no column has a status, so every run counts as completed; {_OWN_STATUS}")
    return "'completed'"


def _by_flag(column: Column, when_true: str, when_false: str) -> str:
    is_text = all(isinstance(value, str) for value in column.values)
    plain = column.expression
    if column.path:
        # What lies inside JSON is text in most databases.
        plain = f"lower(CAST({plain} AS VARCHAR(10))) IN ('true', 't', '1')"
    elif is_text:
        plain = f"lower({plain}) IN ('true', 't', '1')"
    elif column.kind == "number":
        plain = f"{plain} = 1"
    return f"CASE WHEN {plain} THEN '{when_true}' WHEN NOT ({plain}) THEN '{when_false}' ELSE 'running' END"


def _environment(runs: Table, guesses: Mapping[str, Guess], agents: Link | None, tables: Sequence[Table]) -> str:
    guess = guesses.get("environment")
    if guess is not None and guess.score >= _SURE_ENVIRONMENT:
        return find_label(runs, guess.column, tables) or guess.column.expression
    if agents is None:
        return ""
    found = guess_agent(agents.table).get("environment")
    if found is None or found.score < _SURE_ENVIRONMENT:
        return ""
    value = find_label(agents.table, found.column, tables) or found.column.expression
    # Names in the database, quoted.
    return f"(SELECT {value} FROM {agents.table.expression} WHERE {agents.condition(runs)})"  # noqa: S608


def _without_steps(runs: Table, guesses: Mapping[str, Guess], notes: list[str]) -> str:
    """What leaves out the steps of runs, where each is a row of its own in the same table."""
    parent = guesses.get("parent_run_id")
    kinds = [column for name in STEP_TYPES if (column := runs.column(name)) is not None]
    if parent is None or not any({str(value).lower() for value in column.values} & STEP_WORDS for column in kinds):
        return ""
    notes.append(
        f"rows with a {parent.column.name} are steps of a run, and left out; to read them as runs, remove WHERE"
    )
    return f"WHERE {parent.column.expression} IS NULL"


def _converted(name: str, column: Column) -> str:
    if name in ("duration_seconds", "cost_usd"):
        words = set(words_of(column.name))
        divisor = next((divisor for units, divisor in _DIVISORS if words & units), None)
        if divisor:
            is_text = bool(column.path) or any(isinstance(value, str) for value in column.values)
            number = f"CAST({column.expression} AS DOUBLE PRECISION)" if is_text else column.expression
            return f"{number} / {divisor}"
    return column.expression


def _agents_query(agents: Link) -> Query:
    columns = {"id": agents.target.expression}
    for name, guess in guess_agent(agents.table).items():
        if name not in ("id", "environment"):
            columns[name] = guess.column.expression
    if "name" not in columns:
        columns["name"] = agents.target.expression
    return Query(columns, f"FROM {agents.table.expression}")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
