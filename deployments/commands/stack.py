"""The commands that set reports up and run them as a service: init, doctor, setup, up, webhook."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from deployments.terminal.console import open_console, print_json
from deployments.terminal.option_help import Flag
from tasks.errors import UsageError


def init(
    place: str | None = None,
    /,
    *,
    environment: str | None = None,
    output: Path = Path(),
    json: Flag = False,
) -> int:
    """Look at your agents' runs and write the settings for them.

    Parameters
    ----------
    place
        Where the runs are: a URL (`sqlite:///agents.db`, `postgresql://user:password@host/db`,
        `jaeger+http://host:16686`, `otlp:folder/*.json`, `s3://bucket/runs/*.parquet`) or a path: a database, a file, a
        folder. By default AGENT_REPORT_SOURCE_URL.
    environment
        Environment of the first report; by default the one called production, else the one with the most runs, else the
        first.
    output
        Folder for `.env` and `source.yaml`; commands read them in the folder that they run in.
    json
        Print only `{"found": {…}, "mapping": …, "files": […], "estimate": {…}, "next": […]}`.
    """
    from deployments.local.runner import quiet_prefect

    quiet_prefect()
    from deployments.init.command import start

    return start(place, environment=environment or "", output=output, as_json=json)


def doctor(*, yes: Flag = False, no_judge: Flag = False, json: Flag = False) -> int:
    """Check every setting and connection.

    Parameters
    ----------
    yes
        Call the judge without asking.
    no_judge
        Do not call the judge, and do not ask.
    json
        Print only `[{"what": …, "state": …, "detail": …, "advice": …}]`.
    """
    if yes and no_judge:
        raise UsageError("--yes and --no-judge exclude each other")
    from deployments.local.runner import quiet_prefect

    quiet_prefect()
    from deployments.doctor.command import examine, may_call, print_finding
    from deployments.stack.beside import stack_warehouse
    from tasks.errors import ConfigurationError

    found = []
    with ExitStack() as stack:
        # The first line reports a wrong setting.
        with suppress(ConfigurationError):
            stack.enter_context(stack_warehouse())
        for finding in examine(ask=may_call(yes=yes, no_judge=no_judge)):
            found.append(finding)
            if not json:
                print_finding(open_console(), finding)
    if json:
        print_json([asdict(finding) for finding in found])
    return int(any(finding.state == "failed" for finding in found))


def setup(
    *, check: Flag = False, notify: Annotated[str, Parameter(show_default=False)] = "", json: Flag = False
) -> int:
    """Set up a Prefect server for reports.

    Parameters
    ----------
    check
        Change nothing; show what exists, is missing or differs.
    notify
        Notification block (`type/name`) to notify of failed reports and of agents below their threshold.
    json
        Print only `[{"what": …, "state": …, "detail": …}]`.
    """
    from deployments.local.runner import quiet_prefect

    quiet_prefect()
    from deployments.setup.command import print_line, set_up
    from deployments.stack.beside import at_stack

    lines = []
    with at_stack():
        for line in set_up(check=check, notify=notify):
            lines.append(line)
            if not json:
                print_line(open_console(), line)
    if json:
        print_json([{"what": found.what, "state": state, "detail": found.detail} for state, found in lines])
    return int(any(found.is_due for _, found in lines))


def up(
    *,
    demo: Flag = False,
    folder: Path = Path("agent-report-data/stack"),
    port: int = 4200,
    webhook_port: int = 8765,
) -> int:
    """Run the whole stack on this machine.

    Parameters
    ----------
    demo
        Use a sample source, a simulated judge and a simulated Jaeger: no account or key needed.
    folder
        Folder for data, logs and secrets.
    port
        Port of the Prefect server and its UI; if it is taken, another one is used.
    webhook_port
        Port of the webhook receiver; if it is taken, another one is used.
    """
    from deployments.stack.command import run_up

    run_up(demo=demo, folder=folder, port=port, webhook_port=webhook_port)
    return 0


def webhook(*, host: str = "127.0.0.1", port: int = 8765) -> int:
    """Receive signed webhooks and run a report for each.

    Parameters
    ----------
    host
        Address to listen on; behind a TLS proxy, the address the proxy forwards to.
    port
        Port to listen on; 0 picks a free port and prints it.
    """
    from deployments.webhook.command import run_webhook

    run_webhook(host, port)
    return 0
