"""``@flow`` and ``@step``: Prefect's flow and task with the options and the error handling that all of ours share.

Prefect's settings fill in every option that a flow or task leaves unset; a variable in the environment that retries
tasks would pay for judge calls twice, so all of them are set here. (tests/flows/test_prefects_settings.py)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from typing import Any, Generic, ParamSpec, TypeVar, cast

import prefect
from prefect import Flow, Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.task_runners import ConcurrentTaskRunner
from pydantic import ValidationError, validate_call

from tasks.errors import AgentReportError, RefusedError, UsageError
from tasks.judge.rubric import describe_validation

P = ParamSpec("P")
R = TypeVar("R")

_RUN_ONCE: Mapping[str, Any] = {
    "retries": 0,
    "retry_delay_seconds": 0,
    # Results hold agents' texts.
    "persist_result": False,
    "log_prints": False,
}


class Step(Task[P, R], Generic[P, R]):
    """A Prefect task whose error is raised when it is called, as it is by the result of a submitted one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        result: Any = super().__call__(*args, **kwargs)
        return cast(R, result.result() if isinstance(result, State) else result)


def step(
    name: str | Callable[[dict[str, Any]], str], *, tags: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """A task that runs once, is never cached, and fails with the error's message as its state's message.

    ``name`` is the task run's name: a template of the parameters, or a function of them.
    """

    def decorate(body: Callable[P, R]) -> Step[P, R]:
        return Step(
            _fail_with_message(body),
            # Prefect's type of a name with parameters is a protocol that no plain function meets.
            task_run_name=cast(Any, name),
            tags=tags,
            cache_policy=NO_CACHE,
            refresh_cache=False,
            **_RUN_ONCE,
        )

    return decorate


def flow(*, name: str, flow_run_name: str | None = None) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A flow that runs once, refuses wrong parameters in one line, and fails with the error's message.

    It keeps Prefect's name: ``prefect deploy`` finds flows in a file by their decorator's name.
    """

    def decorate(body: Callable[P, R]) -> Flow[P, R]:
        return prefect.flow(
            name=name,
            flow_run_name=flow_run_name,
            validate_parameters=False,
            # Its type is that of runners of any future.
            task_runner=cast(Any, ConcurrentTaskRunner(max_workers=sys.maxsize)),
            **_RUN_ONCE,
        )(_fail_with_message(_validate_parameters(body)))

    return decorate


def _fail_with_message(body: Callable[P, R]) -> Callable[P, R]:
    """``body``, with our own errors returned as failed states, which callers see raised.

    Of a raised error Prefect's message has the exception's name and where it was caught before the error's own, and its
    log has a traceback. (tests/flows/test_endings.py)
    """

    @wraps(body)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except AgentReportError as error:
            prefix = "Refused: " if isinstance(error, RefusedError) else ""
            message = f"{prefix}{error}"
            return cast(R, Failed(message=message[:1].upper() + message[1:], data=error))

    return wrapped


def _validate_parameters(body: Callable[P, R]) -> Callable[P, R]:
    """``body``, with its parameters validated against its annotations; wrong ones are a UsageError in one line.

    Prefect's own validation takes several lines and does not name the values. (tests/flows/test_refusals.py)
    """
    parameters = signature(body)

    @validate_call
    @wraps(body)
    def validated(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @wraps(body)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        # By name: messages would count positional ones.
        given = parameters.bind(*args, **kwargs).arguments
        try:
            args, kwargs = validated(**given)
        except ValidationError as error:
            raise UsageError(describe_validation(error)) from None
        return body(*args, **kwargs)

    return wrapped
