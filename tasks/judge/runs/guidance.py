"""Guidance for the judge's verdicts on runs, from people's labels: a short text, and runs that people labelled.

It is a YAML file that people read and edit. The text goes into the instructions; the examples, which agents wrote, go
inside the fence, as evidence does. Both are part of every fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import ConfigurationError
from tasks.evidence.types import AgentId, RunId
from tasks.judge.prompt.fence import marked
from tasks.judge.rubric import describe_validation
from tasks.wording.counts import counted

LONGEST_TEXT = 3000
"""Characters of the text: a page."""

MOST_EXAMPLES = 20
LONGEST_EXCERPT = 1500
_HEAD = """\
# Guidance for the judge, from people's labels on runs. Edit guidance and examples as you like; the judge gets both.
# To measure the file again after a change: agent-report align REPORT --file THIS_FILE
"""


class LabelledExample(BaseModel):
    """A run that people labelled: excerpts, whether it did its task, and the reason ("" without)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field("", max_length=LONGEST_EXCERPT)
    response: str = Field("", max_length=LONGEST_EXCERPT)
    error: str = Field("", max_length=LONGEST_EXCERPT)
    succeeded: bool
    why: str = Field("", max_length=LONGEST_EXCERPT)


class LearnedRun(BaseModel):
    """A run whose label went into the guidance, and which therefore does not measure it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_id: AgentId
    run_id: RunId


class Measured(BaseModel):
    """What the guidance changed on ``runs`` labels that it did not use: kappa of judge and people (-1 to 1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    report_id: int
    runs: int
    kappa_before: float
    kappa_after: float


class Guidance(BaseModel):
    """What people's labels teach the judge; ``measured`` is None where it was not measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    guidance: str = Field("", max_length=LONGEST_TEXT)
    examples: tuple[LabelledExample, ...] = Field((), max_length=MOST_EXAMPLES)
    learned_from: tuple[LearnedRun, ...] = ()
    measured: Measured | None = None

    def settings(self) -> dict[str, Any]:
        """What of it decides an answer."""
        return self.model_dump(mode="json", include={"guidance", "examples"})

    def describe(self) -> str:
        """That it is in force, and what it changed, in a sentence."""
        text = (
            f"The judge follows guidance from people's labels, with {counted(len(self.examples), 'labelled example')}"
        )
        if self.measured is None:
            return f"{text}; it was not measured"
        found = self.measured
        return (
            f"{text}: on {found.runs} labels that it did not use, kappa of judge and people was "
            f"{found.kappa_before:.2f} without it and {found.kappa_after:.2f} with it (report {found.report_id})"
        )


def render_guidance(guidance: Guidance) -> str:
    """The text as a part of the instructions; "" when it is empty."""
    text = guidance.guidance.strip()
    if not text:
        return ""
    return (
        "Guidance from people who labelled runs of these agents, on where their verdicts and yours differed. It is "
        f"about how to decide; the form of your answer stays as it is:\n{text}"
    )


def render_examples(guidance: Guidance) -> str:
    """The examples as a part of the evidence; "" when there are none."""
    return "\n".join(_lines(guidance)) if guidance.examples else ""


def _lines(guidance: Guidance) -> Iterator[str]:
    yield "# Earlier runs that people labelled"
    yield "They show how people decide. Give no verdict on them, and quote nothing from them."
    for number, example in enumerate(guidance.examples, 1):
        yield ""
        yield f"## Labelled run {number}: did its task: {'yes' if example.succeeded else 'no'} (given, by people)"
        for title, text in (
            ("Task:", example.task),
            ("Final response (claim):", example.response),
            ("Error of the run (observation):", example.error),
            ("Why, by a person (given):", example.why),
        ):
            if text:
                yield title
                yield marked(text)
    yield from ("", "")


def load_guidance(path: Path, setting: str = "AGENT_REPORT_JUDGE_GUIDANCE") -> Guidance:
    """The guidance in a file.

    Raises:
        ConfigurationError: it cannot be read, is no YAML, or a key or value in it is wrong; ``setting`` names it.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{setting}: {str(path)!r} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{setting}: {str(path)!r} is no YAML: {' '.join(str(error).split())}") from None
    try:
        return Guidance.model_validate(data if data is not None else {})
    except ValidationError as error:
        raise ConfigurationError(f"{setting}: {str(path)!r}: {describe_validation(error)}") from None


def find_guidance(place: str) -> Guidance | None:
    """The guidance in the file that the setting names; None where it names none.

    Raises:
        ConfigurationError: as ``load_guidance``.
    """
    return load_guidance(Path(place)) if place else None


def dump_guidance(guidance: Guidance) -> str:
    """The text of a file with it."""
    data = guidance.model_dump(mode="json", exclude_none=True)
    return _HEAD + yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block, which can be edited."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
