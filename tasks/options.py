"""The options of a report, each once, with its default: parameters of the flow, options of commands, and settings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from tasks.wording.since import parse_since

DEFAULT_JUDGE_MODEL = "gpt-5.4-mini"
SIMULATED_JUDGE_MODEL = "simulated-judge"
LONGEST_SECONDS = 30 * 86400

RunUnit = Literal["run", "session"]
"""What counts as a run: a run of the source, or a conversation (all its runs with one ``session_id``)."""

JudgeRuns = Literal["together", "each", "off"]
"""How the judge is asked for verdicts on runs: in the question about their agent, each by itself, or not at all."""

Scoring = Literal["runs", "holistic"]
"""Who scores an agent on a criterion: code, from the verdicts on runs, or the judge."""


def _checked_since(value: str) -> str:
    if value:
        parse_since(value, datetime.now(UTC))
    return value


def _describe_defaults(schema: dict[str, Any]) -> None:
    """Name each field's default in its description, and leave the field empty.

    A form sends all that it shows: its defaults would count as given, and win over the worker's settings without the
    user's intent.
    """
    for field in schema["properties"].values():
        default = field.pop("default", None)
        field.pop("minLength", None)
        if default and default is not True:
            shown = f"{default:g}" if isinstance(default, float) else default
            field["description"] = f"{field.get('description', '')} Default: {shown}.".strip()


class ReportOptions(BaseModel):
    """How a report is made. An empty field takes the worker's setting, or else its default."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_describe_defaults)

    judge_model: str = Field(
        DEFAULT_JUDGE_MODEL,
        min_length=1,
        title="Judge model",
        description="Model that judges, as the endpoint calls it.",
        json_schema_extra={"position": 4},
    )
    runs_per_agent: int = Field(
        20,
        ge=1,
        le=1000,
        title="Runs per agent",
        description="How many of each agent's runs are read: the newest, or with Since a random sample of the window.",
        json_schema_extra={"position": 2},
    )
    since: Annotated[str, AfterValidator(_checked_since)] = Field(
        "",
        title="Since",
        description="Only runs since then: a span such as 7d or 12h, or a time such as 2026-01-31T08:00:00Z.",
        json_schema_extra={"position": 1},
    )
    filter_model: str = Field(
        "",
        title="Only runs of this model",
        description="Model name as in the runs. Empty: runs of every model.",
        json_schema_extra={"position": 3},
    )
    unit: RunUnit = Field(
        "run",
        title="What is a run",
        description="run, or session: a conversation (the runs with one session_id) counts as one run.",
        json_schema_extra={"position": 15},
    )
    agents: list[str] = Field(
        default_factory=list,
        title="Only these agents",
        description="Names, or id:12. Without any: all of the environment.",
        json_schema_extra={"position": 0},
    )
    max_concurrent_evals: int = Field(
        10,
        ge=0,
        le=1000,
        title="Judge calls at once",
        description="How many agents are judged at the same time; 0 is unlimited.",
        json_schema_extra={"position": 9},
    )
    max_concurrent_runs: int = Field(
        20,
        ge=1,
        le=200,
        title="Source and trace reads at once",
        description="How many agents' runs and traces are read at the same time.",
        json_schema_extra={"position": 10},
    )
    eval_timeout_seconds: float = Field(
        300,
        gt=0,
        le=LONGEST_SECONDS,
        title="Time for one agent (seconds)",
        description="Everything about one agent, from the moment its evaluation starts.",
        json_schema_extra={"position": 11},
    )
    report_timeout_seconds: float = Field(
        3600,
        gt=0,
        le=LONGEST_SECONDS,
        title="Time for the report (seconds)",
        description="After that no new judge call starts; the report completes with what it has.",
        json_schema_extra={"position": 12},
    )
    judge_samples: int = Field(
        1,
        ge=1,
        le=9,
        title="Samples",
        description="How often each question is asked; scores are the means, and their spread is shown.",
        json_schema_extra={"position": 5},
    )
    judge_runs: JudgeRuns = Field(
        "together",
        title="Verdicts on runs",
        description="together: in the question about the agent. each: a call for every run that has no verdict yet, "
        "which reads the run by itself, without what the agent said along the way. off: none, so that the judge scores "
        "criteria itself.",
        json_schema_extra={"position": 13},
    )
    scoring: Scoring = Field(
        "runs",
        title="Scores of agents",
        description="runs: code counts the runs that pass a criterion. holistic: the judge gives the score.",
        json_schema_extra={"position": 14},
    )
    max_report_cost_usd: float = Field(
        0,
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        title="Maximum cost of judging (USD)",
        description="No call starts that could exceed it; the remaining agents are skipped. 0 is no limit. Where the "
        "price is unknown, the cost that the endpoint states for each call is used.",
        json_schema_extra={"position": 6},
    )
    fail_fast: bool = Field(
        False,
        title="Stop at the first failure",
        description="Start no judge call after an agent could not be evaluated.",
        json_schema_extra={"position": 8},
    )
    fresh: bool = Field(
        False,
        title="Ask again",
        description="Pay for new judge answers even where the same question was answered before.",
        json_schema_extra={"position": 7},
    )

    publish_verdicts: bool = Field(
        False,
        title="Publish verdicts",
        description="Write the verdicts on runs back to the store of traces that they came from.",
        json_schema_extra={"position": 16},
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        """An empty field of a form is not given; typed text loses the line breaks around it."""
        if not isinstance(data, dict):
            return data
        # Of the options alone: the settings, which have these fields too, have others in which a space may count.
        options = data.keys() & ReportOptions.model_fields.keys()
        tidy = {key: data[key].strip() if isinstance(data[key], str) else data[key] for key in options}
        if isinstance(agents := tidy.get("agents"), list):
            tidy["agents"] = [name.strip() if isinstance(name, str) else name for name in agents if name]
        given = {key: value for key, value in tidy.items() if value not in (None, "", [])}
        return {key: value for key, value in data.items() if key not in options} | given

    @property
    def counts_runs(self) -> bool:
        """Whether scores of agents count runs, which takes verdicts on them."""
        return self.scoring == "runs" and self.judge_runs != "off"

    @model_serializer(mode="wrap")
    def _dump_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what is given: read back, a default would count as given, and override the setting."""
        return {key: value for key, value in dump(self).items() if key in self.model_fields_set}
