"""The limit on the tag ``llm``, which bounds the judge calls of all processes that share a Prefect server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

LLM_TAG = "llm"
LIMIT_NAME = f"tag:{LLM_TAG}"
"""The name under which Prefect keeps the limit on a tag among its global limits."""

_own_server: ContextVar[bool] = ContextVar("own_server", default=False)


@contextmanager
def server_of_its_own() -> Iterator[None]:
    """For the block: only this process uses the Prefect server, so its task runner bounds its judge calls."""
    token = _own_server.set(True)
    try:
        yield
    finally:
        _own_server.reset(token)


def find_limit(width: int) -> int | None:
    """The limit that a shared server has on the tag; None when there is none, or it could not be asked.

    Warns in the run's log when nothing there bounds the ``width`` (0: unlimited) judge calls of each report, and when
    it bounds them to fewer than were asked for.
    """
    if _own_server.get() or not PREFECT_API_URL.value():
        return None
    try:
        with get_client(sync_client=True) as client:
            limit = client.read_global_concurrency_limit_by_name(LIMIT_NAME)
    except ObjectNotFound:
        _warn(f"there is no limit on the tag {LLM_TAG}", width)
        return None
    except Exception:  # noqa: BLE001 - what cannot be asked is no reason to lose a report, and not worth a word
        return None
    if not limit.active:
        _warn(f"the limit on the tag {LLM_TAG} is not active", width)
        return None
    if not 0 < width <= limit.limit:
        get_run_logger().warning(
            "max_concurrent_evals=%s is more than the limit of %d on the tag %s, which holds: raise it with "
            "`prefect concurrency-limit create %s N` if the LLM takes more.",
            width or "0 (unlimited)",
            limit.limit,
            LLM_TAG,
            LLM_TAG,
        )
    return limit.limit


def _warn(problem: str, width: int) -> None:
    get_run_logger().warning(
        "On this Prefect server %s: each report keeps to its own %s judge calls at once, several together do not. "
        "`agent-report setup` makes it, and so does `prefect concurrency-limit create %s %d`.",
        problem,
        width or "unlimited",
        LLM_TAG,
        width or 10,
    )
