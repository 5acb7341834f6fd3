"""What a webhook may order: the flow's parameters, checked with the flow's own models, and against the allow-lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.webhook.problems import FieldProblem, ProblemError
from tasks.errors import ConfigurationError
from tasks.judge.rubric import Criteria
from tasks.settings import ReportOptions

_MOST_PROBLEMS = 20
# Prefect's server renders what stands under such a key (templates, its variables) instead of passing it on.
_RENDERED_KEY = "__prefect_kind"


class ReportOrder(BaseModel):
    """The parameters of the flow ``generate_report``. What is left out takes the deployment's value."""

    model_config = ConfigDict(extra="forbid")

    environment: str = Field(min_length=1, max_length=200, description="Name of the environment as the source has it.")
    name: str = Field("", max_length=200, description="A name for the report, for people.")
    criteria: Criteria = Field(default_factory=Criteria, description="What to judge against.")
    options: ReportOptions = Field(default_factory=ReportOptions, description="How to make the report.")
    report_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="Resume this report instead of starting a new one; its stored parameters apply."
    )

    def parameters(self) -> dict[str, Any]:
        """What was given, as the flow run's parameters: JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The environments and the parameters that may be ordered; an empty one allows all that there are."""

    environments: frozenset[str]
    parameters: frozenset[str]

    def check(self, order: ReportOrder) -> None:
        """Refuse what is not on it.

        Raises:
            ProblemError: 403.
        """
        if self.environments and order.environment not in self.environments:
            raise ProblemError(
                403,
                f"Webhooks may not order reports on the environment {order.environment!r} "
                "(AGENT_REPORT_WEBHOOK_ENVIRONMENTS).",
            )
        if not self.parameters:
            return
        given = sorted(order.model_fields_set - {"environment", "options"} - self.parameters)
        if "options" not in self.parameters:
            options = {f"options.{name}" for name in order.options.model_fields_set}
            given += sorted(options - self.parameters)
        if given:
            raise ProblemError(
                403,
                "Webhooks may not give these parameters (AGENT_REPORT_WEBHOOK_PARAMETERS). Leave them out.",
                errors=[FieldProblem(field=name, detail="Not allowed.") for name in given],
            )


def open_allow_list(environments: Sequence[str], parameters: Sequence[str]) -> AllowList:
    """The allow-lists of the settings.

    Raises:
        RefusedError: a parameter that the flow does not have.
    """
    known = {*ReportOrder.model_fields, *(f"options.{name}" for name in ReportOptions.model_fields)}
    if unknown := sorted(set(parameters) - known):
        raise ConfigurationError(
            f"wrong setting: AGENT_REPORT_WEBHOOK_PARAMETERS: there is no parameter {unknown[0]!r}; there are "
            f"{', '.join(ReportOrder.model_fields)}, and options.since and the like"
        )
    return AllowList(frozenset(environments), frozenset(parameters))


def parse_order(data: dict[str, Any]) -> ReportOrder:
    """``data`` as an order.

    Raises:
        ProblemError: 422, with the fields that are wrong.
    """
    if field := _rendered_field(data, ""):
        raise ProblemError(
            422, "See errors.", errors=[FieldProblem(field=field, detail="Is no name that can be used.")]
        )
    if field := _empty_option(data.get("options")):
        raise ProblemError(
            422, "See errors.", errors=[FieldProblem(field=field, detail="Is empty. Leave it out, or give a value.")]
        )
    try:
        # From JSON, as strict validation of Python values wants instances of the models.
        return ReportOrder.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise ProblemError(
            422,
            f"{error.error_count()} of the parameters cannot be used; see errors, and the schemas in /openapi.json.",
            errors=[
                FieldProblem(
                    field=".".join(str(part) for part in item["loc"])[:200] or "(body)",
                    detail=item["msg"].removeprefix("Value error, ")[:300],
                )
                for item in error.errors(include_url=False, include_input=False)[:_MOST_PROBLEMS]
            ],
        ) from None


def _empty_option(options: Any) -> str:
    """An option with no value, or with agents that are none: a form sends them for what was not filled in, a program
    by mistake, and then "only these agents" would be all of them."""
    if not isinstance(options, dict):
        return ""
    if isinstance(agents := options.get("agents"), list) and not all(agents):
        return "options.agents"
    return next((f"options.{name}"[:200] for name, value in options.items() if value is None), "")


def _rendered_field(value: Any, place: str) -> str:
    if isinstance(value, list):
        return next(filter(None, (_rendered_field(inner, place) for inner in value)), "")
    if not isinstance(value, dict):
        return ""
    if _RENDERED_KEY in value:
        return f"{place}{_RENDERED_KEY}"
    return next(filter(None, (_rendered_field(inner, f"{place}{key}."[:200]) for key, inner in value.items())), "")
