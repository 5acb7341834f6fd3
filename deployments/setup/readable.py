"""Whether the configured source is readable: a mistyped URL would otherwise only be noticed at night."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.client.orchestration import SyncPrefectClient

from deployments.setup.piece import Found
from tasks.connecting import open_clients
from tasks.errors import AgentReportError
from tasks.settings import Settings


class Readable:
    """The source of ``AGENT_REPORT_SOURCE_URL`` as it is seen from here; runs read it where their worker is."""

    def __init__(self, settings: Settings) -> None:
        self._is_given = settings.source_url is not None and not settings.source_block

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        if not self._is_given:
            return []
        try:
            with open_clients() as clients:
                clients.source().check()
        except AgentReportError as error:
            return [Found("source", "warning", f"{error} (as seen from here; runs read it where their worker is)")]
        return [Found("source", "there")]

    def make(self, client: SyncPrefectClient) -> None:
        """Does nothing: a source is only read."""
