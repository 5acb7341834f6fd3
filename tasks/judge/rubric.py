"""What the judge measures against: criteria for the team and for each agent, checked before anything is paid."""

from __future__ import annotations

import math
import re
import reprlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tasks.errors import NotFoundError, UsageError
from tasks.evidence.ids import read_id
from tasks.evidence.types import Agent, AgentId
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.presets import PRESETS, default_rubric, default_team_rubric

DEFAULT_GOAL = "The agents do their tasks correctly, reliably and efficiently"
_MOST_CRITERIA = 20
_LONGEST_NAME = 60
# In the place of a criterion's name it stands for "did the run do its task?".
_RESERVED_NAMES = frozenset({"(success)"})


def _checked_names(rubric: dict[str, Criterion]) -> dict[str, Criterion]:
    if not rubric:
        raise ValueError("no criteria: name at least one, or leave the key out for the defaults")
    if len(rubric) > _MOST_CRITERIA:
        raise ValueError(f"{len(rubric)} criteria are too many: {_MOST_CRITERIA} at most")
    folded: dict[str, str] = {}
    for name in rubric:
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise ValueError(f"criterion name {name!r} must be 1 to {_LONGEST_NAME} printable characters")
        if fold_name(name) in _RESERVED_NAMES:
            raise ValueError(f"criterion name {name!r} is reserved; name it otherwise, such as 'success'")
        if (twin := folded.setdefault(fold_name(name), name)) != name:
            raise ValueError(f"criterion names {twin!r} and {name!r} differ only in case, white space, - or _")
    return rubric


def fold_name(name: str) -> str:
    """``name`` without what judges change in names: case, white space, hyphens and underscores, composed letters."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _read_preset(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if given not in PRESETS:
        raise ValueError(f"there is no preset of this name; there are {', '.join(PRESETS)}")
    return PRESETS[given]()


def _only_judged(rubric: dict[str, Criterion]) -> dict[str, Criterion]:
    for name, criterion in rubric.items():
        if criterion.is_computed:
            raise ValueError(
                f"criterion {name!r} has kind {criterion.kind}, which is computed from an agent's runs; the team's "
                "criteria are the judge's (kind judge)"
            )
    return rubric


Rubric = Annotated[
    dict[str, Criterion],
    BeforeValidator(_read_preset, json_schema_input_type=dict[str, Criterion] | Literal["default", "station"]),
    AfterValidator(_checked_names),
]
"""An agent's criteria by name; a preset's name stands for them."""

TeamRubric = Annotated[dict[str, Criterion], AfterValidator(_checked_names), AfterValidator(_only_judged)]
"""The team's criteria by name."""


def in_order(rubric: Mapping[str, Criterion]) -> dict[str, Criterion]:
    """``rubric`` in the order in which it is asked, which is that of the names.

    What went through Prefect's API has lost any other: its database keeps objects in an order of its own, and the same
    criteria in another order would be another question, paid for again.
    """
    return dict(sorted(rubric.items()))


def judged_criteria(rubric: Mapping[str, Criterion]) -> dict[str, Criterion]:
    """The criteria of ``rubric`` that the judge is asked about, in its order; code computes the others."""
    return {name: criterion for name, criterion in rubric.items() if not criterion.is_computed}


_ENTRIES = 'By name: {"accuracy": {"weight": 0.4, "threshold": 7, "description": "What it means"}}.'


def _form(position: int, rubric: Mapping[str, Criterion]) -> dict[str, Any]:
    """What a form has to know of a rubric: its default, from which null is no way out, and bounds that it can check."""
    return {
        "position": position,
        "default": {name: criterion.model_dump() for name, criterion in rubric.items()},
        "minProperties": 1,
        "maxProperties": _MOST_CRITERIA,
        "propertyNames": {"minLength": 1, "maxLength": _LONGEST_NAME},
    }


class TeamCriteria(BaseModel):
    """The goal of the team, and what the team as a whole is judged on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    goal: str = Field(
        DEFAULT_GOAL,
        title="The team's goal",
        description="What the agents are there for, in a sentence.",
        json_schema_extra={"position": 0},
    )
    criteria: TeamRubric = Field(
        default_factory=default_team_rubric,
        title="Criteria for the team",
        description=f"{_ENTRIES} Weights are relative to each other; a score (0 to 10) at or above the threshold "
        "passes.",
        json_schema_extra=_form(1, default_team_rubric()),
    )


class Criteria(BaseModel):
    """Criteria for the team, for every agent, and for single agents that have their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    team: TeamCriteria = Field(default_factory=TeamCriteria, title="The team", json_schema_extra={"position": 0})
    default: Rubric = Field(
        default_factory=default_rubric,
        title="Criteria for every agent",
        description=f"{_ENTRIES} Or the name of a preset: default, station.",
        json_schema_extra=_form(1, default_rubric()),
    )
    agents: dict[str, Rubric] = Field(
        default_factory=dict,
        title="Criteria of single agents",
        description='In place of the above: {"name:billing-bot": {"accuracy": {"threshold": 9}}}; or "id:12".',
        json_schema_extra={"position": 2, "default": {}},
    )


def load_criteria(path: Path) -> Criteria:
    """The criteria in a YAML (or JSON) file with the keys ``team``, ``default`` and ``agents``.

    Raises:
        RefusedError: the file cannot be read, is no mapping, or a key or value in it is wrong; both are named.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"criteria file {str(path)!r} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"criteria file {str(path)!r} is no YAML: {' '.join(str(error).split())}") from None
    if data is None:
        raise UsageError(f"criteria file {str(path)!r} is empty: it needs one of the keys team, default, agents")
    if not isinstance(data, dict):
        raise UsageError(
            f"criteria file {str(path)!r} holds a {type(data).__name__}, not the keys team, default, agents"
        )
    return parse_criteria(data, origin=f"criteria file {str(path)!r}")


def open_criteria(given: str) -> Criteria:
    """The criteria that a command was given: a preset's name, for every agent, or else the path of a file.

    Raises:
        RefusedError: as ``load_criteria``.
    """
    if given in PRESETS:
        return Criteria(default=PRESETS[given]())
    path = Path(given)
    if not path.exists():
        raise UsageError(f"criteria {given!r} is neither a file nor a preset ({', '.join(PRESETS)})")
    return load_criteria(path)


def parse_criteria(data: Any, *, origin: str = "criteria") -> Criteria:
    """``data`` as criteria; a wrong key or value is a RefusedError that names both."""
    try:
        return Criteria.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{origin}: {describe_validation(error)}") from None


def describe_validation(error: ValidationError) -> str:
    """A validation error in one line: key, what is wrong, the value. Secrets have no place in what is validated."""
    parts = []
    for item in error.errors(include_url=False)[:5]:
        key = ".".join(str(part) for part in item["loc"]) or "(top)"
        message = item["msg"].removeprefix("Value error, ")
        value = "" if item["type"] == "missing" else f" (value: {_clipped(item['input'])})"
        parts.append(f"{key}: {message}{value}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _clipped(value: object) -> str:
    # Of a part only: a file of a few lines can stand for gigabytes (YAML's anchors).
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = 80
    shortened.maxlevel = 2
    text = shortened.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def find_agent(key: str, agents: Sequence[Agent]) -> Agent | None:
    """The agent that ``id:12``, ``name:billing-bot`` or a bare name means, or None.

    Raises:
        RefusedError: several agents have this name.
    """
    kind, colon, value = key.partition(":")
    if colon and kind == "id":
        wanted = (read_id(value), read_id(value.strip()))
        return next((agent for one in wanted for agent in agents if agent.id == one), None)
    name = value if colon and kind == "name" else key
    named = [agent for agent in agents if agent.name == name]
    if len(named) > 1:
        ids = ", ".join(f"id:{agent.id}" for agent in named)
        raise UsageError(f"{len(named)} agents have the name {name!r}: name one of them by its id ({ids})")
    return named[0] if named else None


def resolve_rubrics(criteria: Criteria, agents: Sequence[Agent]) -> dict[AgentId, dict[str, Criterion]]:
    """Each agent's rubric, by agent id: its own if ``criteria.agents`` names it, else the default.

    Raises:
        RefusedError: a key names no agent of the environment, or two keys name the same one.
    """
    rubrics = {agent.id: in_order(criteria.default) for agent in agents}
    taken: dict[AgentId, str] = {}
    for key, rubric in criteria.agents.items():
        if not key.startswith(("id:", "name:")):
            raise UsageError(f'criteria: agents: key {key!r} must be "id:<id>" or "name:<name>" of an agent')
        agent = find_agent(key, agents)
        if agent is None:
            raise NotFoundError(f"criteria: agents: {key!r} is no agent of this environment; {_known(agents)}")
        if agent.id in taken:
            raise UsageError(f"criteria: agents: {taken[agent.id]!r} and {key!r} are the same agent; keep one")
        taken[agent.id] = key
        rubrics[agent.id] = in_order(rubric)
    return rubrics


def select_agents(names: Sequence[str], agents: Sequence[Agent]) -> list[Agent]:
    """The agents that ``names`` mean (all, when empty), in their own order; an unknown one is a RefusedError."""
    if not names:
        return list(agents)
    chosen: set[AgentId] = set()
    for name in names:
        agent = find_agent(name, agents)
        if agent is None:
            raise NotFoundError(f"agents: {name!r} is no agent of this environment; {_known(agents)}")
        chosen.add(agent.id)
    return [agent for agent in agents if agent.id in chosen]


def _known(agents: Sequence[Agent]) -> str:
    names = ", ".join(agent.name for agent in agents[:10])
    more = f" and {len(agents) - 10} more" if len(agents) > 10 else ""
    return f"there are: {names}{more}" if agents else "it has no agents"


def weighted_mean(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Mean of ``(value, weight)`` pairs, None when there are none; exact sums, so that the order does not matter."""
    total = math.fsum(weight for _, weight in pairs)
    return math.fsum(value * weight for value, weight in pairs) / total if pairs else None
