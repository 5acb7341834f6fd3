"""What a report was asked to be: fixed when it is opened, stored with it, and kept when it is resumed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.errors import ConflictError
from tasks.judge.rubric import Criteria
from tasks.report.rows import ReportRow
from tasks.settings import ReportOptions
from tasks.sources.source import Window
from tasks.wording.since import parse_since

# One extra evaluation for every four concurrent judge calls.
_CALLS_PER_EXTRA_EVALUATION = 4


class ReportPlan(BaseModel):
    """One report before there is anything in it. ``started_at`` is the flow's first statement; times are UTC.

    Judge answers that were paid for before ``fresh_since`` are not used; None: all are. ``server_limit`` is what the
    Prefect server allows all reports together; None: nothing that is known of.
    """

    model_config = ConfigDict(frozen=True)

    id: int
    environment: str
    name: str
    criteria: Criteria
    options: ReportOptions
    evidence_until: datetime
    started_at: datetime
    fresh_since: datetime | None = None
    resumed: bool = False
    server_limit: int | None = None

    @property
    def judges_at_once(self) -> int:
        """Judge calls of this report at once: as asked for, within the server's limit; 0: unlimited."""
        bounds = [bound for bound in (self.options.max_concurrent_evals, self.server_limit) if bound]
        return min(bounds, default=0)

    @property
    def evaluations_at_once(self) -> int:
        """Evaluations of this report in progress at once; 0: unlimited.

        Without a limit of the server some more than may ask: their questions are ready when a slot is free. The
        server's limit counts evaluations, and one that only waits would take the place of another report's.
        """
        if self.server_limit:
            return self.judges_at_once
        return self.judges_at_once + self.judges_at_once // _CALLS_PER_EXTRA_EVALUATION

    @property
    def window(self) -> Window:
        """Which runs are read."""
        return build_window(self.options, self.evidence_until)

    def parameters(self) -> dict[str, Any]:
        """The parameters as they are stored; no secret is among them."""
        return {
            "criteria": self.criteria.model_dump(mode="json"),
            "options": self.options.model_dump(mode="json"),
        }


def build_window(options: ReportOptions, until: datetime) -> Window:
    """Which runs a report with these options reads, up to ``until`` (aware)."""
    since = parse_since(options.since, until) if options.since else None
    return Window(options.runs_per_agent, until, since, options.filter_model, options.unit)


def restore_plan(row: ReportRow, started_at: datetime, *, fresh: bool) -> ReportPlan:
    """The plan of a stored report: its parameters and ``evidence_until`` hold; ``fresh`` may be asked for again.

    A report that was begun as ``fresh`` stays so: of the answers in the ledger it takes those since it was begun.

    Raises:
        RefusedError: what is stored cannot be read by this version.
    """
    try:
        stored = row["parameters"] or {}
        options = ReportOptions.model_validate(stored["options"])
        return ReportPlan(
            id=row["id"],
            environment=row["environment"],
            name=row["name"],
            criteria=Criteria.model_validate(stored["criteria"]),
            options=options,
            evidence_until=row["evidence_until"],
            started_at=started_at,
            fresh_since=started_at if fresh else row["created_at"] if options.fresh else None,
            resumed=True,
        )
    except (ValidationError, TypeError, KeyError) as error:
        raise ConflictError(
            f"report {row['id']} cannot be resumed: its stored parameters cannot be read ({error})"
        ) from None


def check_conflicts(row: ReportRow, environment: str, name: str, criteria: Criteria, options: ReportOptions) -> None:
    """Refuse what is asked for the report of ``row`` when it differs from what is stored with it.

    Only what was given counts, not defaults; ``fresh`` may
    be given, since it asks for new answers to the same questions.

    Raises:
        RefusedError: naming the key and both values.
    """
    report_id, stored = row["id"], row["parameters"] or {}
    if environment != row["environment"]:
        raise ConflictError(f"report {report_id} is of the environment {row['environment']!r}, not {environment!r}")
    if name and name != row["name"]:
        raise ConflictError(f"report {report_id} was begun with name={row['name']!r}, so name={name!r} is refused")
    try:
        known_options, known_criteria = dict(stored["options"]), stored["criteria"]
    except (TypeError, KeyError, ValueError):
        raise ConflictError(f"report {report_id} cannot be resumed: its stored parameters cannot be read") from None
    for key in sorted(options.model_fields_set - {"fresh"}):
        given = getattr(options, key)
        # Reports of earlier versions have not every option.
        kept = known_options.get(key, ReportOptions.model_fields[key].default)
        if given != kept:
            raise ConflictError(
                f"report {report_id} was begun with {key}={kept!r}, so {key}={given!r} is refused; "
                "leave it out, or begin a new report"
            )
    if criteria.model_fields_set and criteria.model_dump(mode="json") != known_criteria:
        raise ConflictError(f"report {report_id} was begun with other criteria; leave them out, or begin a new report")
