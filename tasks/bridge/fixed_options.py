"""What Prefect's settings must not decide: a variable in the environment that repeats a task repeats what is paid."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypedDict, TypeVar, cast

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ConcurrentTaskRunner

P = ParamSpec("P")
R = TypeVar("R")


class FlowOptions(TypedDict):
    """The options of Prefect's ``@flow`` that its settings would fill in."""

    retries: int
    retry_delay_seconds: int
    persist_result: bool
    log_prints: bool
    task_runner: Any


def flow_options() -> FlowOptions:
    """What every flow of ours fixes: it runs once, its result is not stored, and its runner has threads enough."""
    return {
        "retries": 0,
        "retry_delay_seconds": 0,
        "persist_result": False,
        "log_prints": False,
        "task_runner": ConcurrentTaskRunner[Any](max_workers=sys.maxsize),
    }


def step(
    task_run_name: str | Callable[[dict[str, Any]], str], tags: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Prefect's ``@task``, run once and never from a cache; its result, which holds agents' texts, is not stored.

    A callable in the place of the name is called with the task's parameters.
    """
    return task(
        # Prefect's type of a name with parameters is a protocol that no plain function meets.
        task_run_name=cast(Any, task_run_name),
        tags=tags,
        retries=0,
        retry_delay_seconds=0,
        persist_result=False,
        cache_policy=NO_CACHE,
        refresh_cache=False,
        log_prints=False,
    )
