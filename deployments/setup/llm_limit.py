"""The limit on the tag ``llm``, and whether the server's database is suited to it."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.exceptions import ObjectNotFound

from deployments.setup.piece import Found
from tasks.bridge.llm_limit import LIMIT_NAME, LLM_TAG

ON_SQLITE = (
    "this Prefect server is on SQLite, where asking for a slot fails as busy and waits: reports take several times as "
    "long; put it on PostgreSQL (PREFECT_SERVER_DATABASE_CONNECTION_URL)"
)


class LlmLimit:
    """At most ``width`` task runs with the tag at once; 0 is no limit."""

    def __init__(self, width: int) -> None:
        self._width = width

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        what = f"limit on the tag {LLM_TAG}"
        limit = _read(client)
        if not self._width:
            if limit is None or not limit.active:
                return [Found(what, "skipped", "max_concurrent_evals is 0, unlimited")]
            return [Found(what, "different", f"it is {limit.limit}, and max_concurrent_evals 0 is unlimited")]
        found = [self._state(what, limit)]
        if runs_on_sqlite(client):
            found.append(Found(what, "warning", ON_SQLITE))
        return found

    def _state(self, what: str, limit: GlobalConcurrencyLimitResponse | None) -> Found:
        if limit is None:
            return Found(what, "missing", f"{self._width} judge calls at once")
        if not limit.active:
            return Found(what, "different", "it is not active")
        if limit.limit != self._width:
            return Found(what, "different", f"it is {limit.limit}, not {self._width}")
        return Found(what, "there", f"{self._width} judge calls at once")

    def make(self, client: SyncPrefectClient) -> None:
        limit = _read(client)
        if not self._width:
            if limit is not None:
                # One of 0 would let no task run start at all.
                client.update_global_concurrency_limit(LIMIT_NAME, GlobalConcurrencyLimitUpdate(active=False))
        elif limit is None:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT_NAME, limit=self._width))
        else:
            update = GlobalConcurrencyLimitUpdate(limit=self._width, active=True)
            client.update_global_concurrency_limit(LIMIT_NAME, update)


def _read(client: SyncPrefectClient) -> GlobalConcurrencyLimitResponse | None:
    try:
        return client.read_global_concurrency_limit_by_name(LIMIT_NAME)
    except ObjectNotFound:
        return None


def runs_on_sqlite(client: SyncPrefectClient) -> bool:
    """Whether the server's database is SQLite. The server does not expose it, as a database's URL is a secret.

    So it is asked for a block type by a pattern in which a backslash stands before a letter: PostgreSQL takes it for
    the letter, SQLite for a backslash, which no type has in its name.
    """
    if client.server_type == ServerType.CLOUD:
        return False

    def named(pattern: str) -> int:
        body = {"block_types": {"name": {"like_": pattern}}}
        return len(client.request("POST", "/block_types/filter", json=body).json())

    return named("Secret") > 0 and named(r"\Secret") == 0
