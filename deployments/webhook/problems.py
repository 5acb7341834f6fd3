"""Answers when something is wrong: RFC 9457 problem details, one shape for every status."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

_PROBLEM_TYPE = "application/problem+json"
_WHAT_TO_DO = {
    404: "There is nothing at this path; /openapi.json lists what there is.",
    405: "Use one of the methods in the header Allow.",
}


class FieldProblem(BaseModel):
    """One wrong field of a request."""

    field: str = Field(description="Where it stands, such as options.runs_per_agent.")
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """What is wrong, and what to do about it (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="about:blank: the status identifies the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    errors: list[FieldProblem] = Field(default_factory=list, description="The wrong fields, when fields are wrong.")


class ProblemError(Exception):
    """A request that cannot be served: the status, and a sentence for the sender, without secrets."""

    def __init__(
        self, status: int, detail: str, *, retry_after: float | None = None, errors: list[FieldProblem] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.errors = errors or []


def problem_response(error: ProblemError, headers: dict[str, str] | None = None) -> JSONResponse:
    """``error`` as it is sent."""
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        errors=error.errors,
    )
    sent = dict(headers or {})
    if error.retry_after is not None:
        sent["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == HTTPStatus.UNAUTHORIZED:
        # A 401 has to name a scheme; there is no registered one for signatures like these.
        sent["WWW-Authenticate"] = 'Webhook-Signature realm="agent-report"'
    # None of these answers should be cached, whether a body was read or not.
    sent["Cache-Control"] = "no-store"
    return JSONResponse(problem.model_dump(exclude_defaults=True), error.status, headers=sent, media_type=_PROBLEM_TYPE)


async def answer_problem(_: Request, error: Exception) -> JSONResponse:
    """A ProblemError as its response."""
    assert isinstance(error, ProblemError)
    return problem_response(error)


async def answer_http_error(_: Request, error: Exception) -> JSONResponse:
    """What the framework refuses (unknown paths, other methods), in the same shape."""
    assert isinstance(error, HTTPException)
    detail = _WHAT_TO_DO.get(error.status_code, str(error.detail))
    headers: dict[str, Any] = dict(error.headers or {})
    return problem_response(ProblemError(error.status_code, detail), headers)


async def answer_failure(_: Request, __: Exception) -> JSONResponse:
    """An unexpected error. The answer has nothing of the exception, which is in the log."""
    return problem_response(ProblemError(500, "The receiver failed; see its log. Sending the request again is safe."))
