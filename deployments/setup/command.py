"""What `agent-report setup` does: it checks each piece, creates or updates it if needed, and prints a line for it."""

from __future__ import annotations

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL
from rich.console import Console
from rich.text import Text

from deployments.clone import ROOT
from deployments.local.runner import check_api
from deployments.setup.automations import MarkKilledRuns, Notify, ReconcileCrashedRuns
from deployments.setup.blocks import Blocks
from deployments.setup.deployed import Deployed
from deployments.setup.llm_limit import LlmLimit
from deployments.setup.names import FILE_NAME
from deployments.setup.piece import Found, Piece
from deployments.setup.readable import Readable
from deployments.setup.work_pool import Pool
from deployments.terminal.console import one_line
from tasks.errors import ConfigurationError
from tasks.settings import ReportOptions, read_settings
from tasks.wire.urls import refuse_ambiguous

Line = tuple[str, Found]
"""What was done (``created``, ``updated``) or found, and of what."""

_COLOURS = {"missing": "red", "different": "red", "warning": "yellow", "created": "green", "updated": "green"}


def set_up(*, check: bool, notify: str = "") -> Iterator[Line]:
    """Create or update everything that is missing or different on the configured server (with ``check``: nothing).

    Raises:
        RefusedError: no server is named, prefect.yaml is wrong, or a block that is named does not exist.
        PrefectServerError: the server is unreachable.
        DeployError: Prefect did not deploy.
    """
    if not PREFECT_API_URL.value():
        raise ConfigurationError("no Prefect server is named: set PREFECT_API_URL, such as http://127.0.0.1:4200/api")
    refuse_ambiguous(PREFECT_API_URL.value() or "", "PREFECT_API_URL")
    settings = read_settings()
    blocks = Blocks(settings)
    pieces: list[Piece] = [
        Readable(settings),
        blocks,
        Pool(blocks.environment),
        LlmLimit(settings.options(ReportOptions()).max_concurrent_evals),
        Deployed(ROOT / FILE_NAME, settings),
        MarkKilledRuns(),
        ReconcileCrashedRuns(),
        Notify(notify or settings.notify_block),
    ]
    check_api()
    with get_client(sync_client=True) as client:
        for piece in pieces:
            yield from _look(client, piece) if check else _provide(client, piece)


def _look(client: SyncPrefectClient, piece: Piece) -> Iterator[Line]:
    yield from ((found.state, found) for found in piece.inspect(client))


def _provide(client: SyncPrefectClient, piece: Piece) -> Iterator[Line]:
    pieces = piece.inspect(client)
    before = {found.what: found for found in pieces if found.is_due}
    if before:
        piece.make(client)
        pieces = piece.inspect(client)
    for found in pieces:
        earlier = before.get(found.what)
        done = found.state == "there" and earlier is not None
        yield ("created" if earlier and earlier.state == "missing" else "updated") if done else found.state, found


def print_line(console: Console, line: Line) -> None:
    """Print the lines as they come."""
    word, found = line
    text = Text(f"{word:<10}", _COLOURS.get(word, ""))
    text.append_text(one_line(f"{found.what}: {found.detail}" if found.detail else found.what))
    console.print(text, soft_wrap=True)
