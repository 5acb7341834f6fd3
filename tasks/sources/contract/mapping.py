"""The mapping of a source: a YAML file with queries whose columns have the contract's names, and what statuses mean."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from tasks.errors import ConfigurationError
from tasks.sources.contract.queries import read_select
from tasks.sources.contract.statuses import Statuses, StatusMeaning

SETTING = "AGENT_REPORT_SOURCE_MAPPING"
_LONGEST_FILE = 1_000_000
_MEANINGS = {"success": "completed", "succeeded": "completed", "failure": "failed", "error": "failed"}


def _checked(text: str) -> str:
    try:
        return read_select(text)
    except ValueError as error:
        raise PydanticCustomError("query", "{reason}", {"reason": str(error)}) from None


Query = Annotated[str, AfterValidator(_checked)]
"""One SELECT, without a semicolon at its end."""


class SourceMapping(BaseModel):
    """Queries of a source, and the words of its statuses; without ``runs`` the source's own tables are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    runs: Query | None = Field(None, description="The runs; the columns id, agent and status are required.")
    agents: Query | None = Field(None, description="The agents; without it, those that runs name.")
    environments: Query | None = Field(None, description="The environments, in a column of that name in the singular.")
    environment: str | None = Field(None, min_length=1, description="The environment of all runs, instead of a column.")
    steps: Query | None = Field(None, description="The steps of runs, by run_id.")
    signals: Query | None = Field(None, description="What was observed of runs, by run_id.")
    statuses: Mapping[StatusMeaning, tuple[str, ...]] = Field(
        default_factory=dict, description="Words by what they mean: completed, failed or unfinished."
    )

    _where: str = PrivateAttr(SETTING)

    def model_post_init(self, context: Any) -> None:
        """Keep where the mapping is, if ``parse_mapping`` reads it."""
        if isinstance(context, str):
            self._where = context

    @property
    def where(self) -> str:
        """The setting, with the file's path where there is one."""
        return self._where

    @field_validator("statuses", mode="before")
    @classmethod
    def _of_words(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        # YAML reads on, off, yes and no as truth values.
        return {
            key: tuple(_word(word) for word in (words if isinstance(words, list) else [words]))
            for key, words in value.items()
            if words is not None
        }

    @model_validator(mode="after")
    def _fits_together(self) -> SourceMapping:
        if self.environment is not None and self.environments is not None:
            raise PydanticCustomError("both", "write environments (a query) or environment (a name), not both")
        others = [name for name in ("agents", "environments", "steps", "signals") if getattr(self, name) is not None]
        if self.runs is None and (others or self.environment is not None):
            raise PydanticCustomError(
                "no_runs", "{others} needs runs beside it", {"others": " and ".join(others) or "environment"}
            )
        seen: dict[str, str] = {}
        for meaning, words in self.statuses.items():
            for word in words:
                other = seen.setdefault(word.strip().casefold(), meaning)
                if other != meaning:
                    raise PydanticCustomError(
                        "twice",
                        "statuses: {word} is both {one} and {two}",
                        {"word": word, "one": other, "two": meaning},
                    )
        return self

    @cached_property
    def known_statuses(self) -> Statuses:
        """What statuses mean, with the words of this mapping."""
        return Statuses(self.statuses)


def load_mapping(path: str) -> SourceMapping:
    """The mapping in the YAML file at ``path``; an empty path is an empty mapping.

    Raises:
        ConfigurationError: there is no such file, or it is no mapping; the message names the file and the key.
    """
    if not path:
        return SourceMapping()
    file = Path(path).expanduser()
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_LONGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{SETTING}={path}: cannot be read: {reason or error}") from None
    return parse_mapping(text, f"{SETTING}={path}")


def parse_mapping(text: str, where: str) -> SourceMapping:
    """The mapping in YAML; ``where`` stands in front of messages.

    Raises:
        ConfigurationError: it is no YAML, or no mapping.
    """
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(
            f"{where}: is no YAML{line}: write a query of several lines after `runs: |`, indented"
        ) from None
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where}: write keys such as runs: and statuses:, not {_shown(values)}")
    try:
        return SourceMapping.model_validate(values, context=where)
    except ValidationError as error:
        problems = "; ".join(_described(item) for item in error.errors(include_url=False)[:3])
        raise ConfigurationError(f"{where}: {problems}") from None


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _described(item: ErrorDetails) -> str:
    place = [str(part) for part in item["loc"] if str(part) != "[key]"]
    if item["type"] == "extra_forbidden":
        known = list(SourceMapping.model_fields)
        near = difflib.get_close_matches(place[0], known, n=1)
        return f"there is no {place[0]}: " + (f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}")
    if item["type"] == "literal_error":
        near = [_MEANINGS[place[-1]]] if place[-1] in _MEANINGS else []
        return f"statuses: there is no {place[-1]}: " + (
            f"did you mean {near[0]}?" if near else "there is completed, failed and unfinished"
        )
    return ": ".join([".".join(place), item["msg"]] if place else [item["msg"]])


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:60] + "…")
