"""How a flow or task run ends that fails: with what is wrong as its state's message, which is what the UI shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import ValidationError, validate_call

from tasks.errors import AgentReportError, RefusedError, UsageError
from tasks.judge.rubric import describe_validation

P = ParamSpec("P")
T = TypeVar("T")


def told(run: Callable[P, T]) -> Callable[P, T]:
    """``run``, whose errors, where they are ours, become failed states that say in one line what is wrong.

    Prefect's own message has the exception's name and where it was caught before it, and its log has a traceback.
    Whoever calls the flow, or asks a task's future for its result, gets the error raised as ever.
    """

    @wraps(run)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return run(*args, **kwargs)
        except AgentReportError as error:
            what = "Refused: " if isinstance(error, RefusedError) else ""
            message = f"{what}{error}"
            return cast(T, Failed(message=message[:1].upper() + message[1:], data=error))

    return wrapped


def raising(run: Callable[P, T]) -> Callable[P, T]:
    """A task that is called and not submitted: Prefect returns its failed state, this raises the error in it."""

    @wraps(run)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        result: Any = run(*args, **kwargs)
        return cast(T, result.result() if isinstance(result, State) else result)

    return wrapped


def checked(run: Callable[P, T]) -> Callable[P, T]:
    """``run``, with its parameters validated against its annotations; wrong ones are a RefusedError in one line.

    In the place of Prefect's own validation, whose message is several lines and does not name the values.
    """

    parameters = signature(run)

    @validate_call
    @wraps(run)
    def validated(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @wraps(run)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        # By name, since the message would count those that are given by their place.
        given = parameters.bind(*args, **kwargs).arguments
        try:
            args, kwargs = validated(**given)
        except ValidationError as error:
            raise UsageError(describe_validation(error)) from None
        return run(*args, **kwargs)

    return wrapped
