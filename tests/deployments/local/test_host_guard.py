"""A page of another origin, in a real browser on the computer that one of our Prefect servers runs on."""

from __future__ import annotations

import base64
import json
import os
import runpy
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from deployments.demo.loopback import LoopbackServer, Response

_ROOT = Path(__file__).parents[3]
_ui = runpy.run_path(str(_ROOT / "docs" / "make_screenshots.py"))
_NAME = "evil.example"
pytestmark = [
    pytest.mark.skipif(_ui["find_chromium"]() is None, reason="there is no Chromium on this machine"),
    pytest.mark.timeout(600),
]
_PAGE = """<!doctype html><title>A page of another site</title><h1>A page of another site</h1><pre id="log"></pre>
<script>
const log = line => document.getElementById("log").append(line + "\\n");
async function attempt(name, what) {
  let end;
  try { end = await what(); } catch (error) { end = "refused (" + error.message + ")"; }
  log(name + ": " + end);
  return end;
}
const socket = (url, first) => new Promise((done, fail) => {
  const opened = new WebSocket(url, ["prefect"]);
  opened.onopen = () => { if (first) opened.send(JSON.stringify(first)); };
  opened.onmessage = message => done("answered " + message.data);
  opened.onclose = event => fail(new Error("closed " + event.code));
});
const blob = (url, body) => fetch(url, {method: "POST", mode: "no-cors",
  body: new Blob([JSON.stringify(body)])}).then(answer => "sent, " + answer.type);
</script>"""


_ORDER = {"parameters": {}, "job_variables": {"command": "touch owned"}}


def _event() -> dict[str, Any]:
    """An event that orders a report."""
    return {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "agent-report.requested",
        "resource": {"prefect.resource.id": "evil"},
        "payload": {"environment": "demo"},
    }


@dataclass(frozen=True, slots=True)
class Target:
    """The server that is attacked, and a deployment on it whose id the page has somehow learnt."""

    api: str
    headers: dict[str, str]
    deployment: str

    def post(self, path: str, **body: Any) -> Any:
        """What the API answers with the password."""
        answer = httpx.post(f"{self.api}{path}", json=body, headers=self.headers, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    @property
    def orders(self) -> int:
        """Flow runs and events that order something."""
        runs = self.post("/flow_runs/filter", flow_runs={"deployment_id": {"any_": [self.deployment]}})
        event = {"event": {"name": ["agent-report.requested"]}}
        return len(runs) + int(self.post("/events/filter", filter=event)["total"])


@pytest.fixture(scope="module")
def target(
    killable_server: Any, at_server: Callable[[str], AbstractContextManager[None]], api_headers: dict[str, str]
) -> Target:
    from prefect import flow
    from prefect.client.orchestration import get_client

    @flow
    def attacked() -> None:
        """Runs nothing: it has no worker."""

    killable_server.start()
    with at_server(killable_server.api), get_client(sync_client=True) as client:
        deployment = client.create_deployment(flow_id=client.create_flow(attacked), name="attacked")
    return Target(killable_server.api, api_headers, str(deployment))


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The address of the page."""
    with LoopbackServer(lambda _: Response(body=_PAGE.encode(), headers={"Content-Type": "text/html"})) as server:
        yield server.url


@pytest.fixture(scope="module")
def page(target: Target) -> Iterator[Page]:
    """A browser for which a name of the attacker's leads to this computer, as after DNS rebinding."""
    arguments = [*_ui["_ARGUMENTS"], f"--host-resolver-rules=MAP {_NAME} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_ui["find_chromium"](), args=arguments)
        opened = browser.new_page(viewport={"width": 1120, "height": 860})
        yield opened
        browser.close()


def _attempt(page: Page, name: str, code: str) -> str:
    return str(page.evaluate(f"attempt({json.dumps(name)}, () => {code})"))


def test_a_page_of_another_origin_orders_nothing(page: Page, evil: str, target: Target, tmp_path: Path) -> None:
    page.goto(evil)
    host = urlsplit(target.api).netloc
    sockets = {
        f"{name} {path}": _attempt(page, f"{name} {path}", f"socket({json.dumps(f'ws://{name}{path}')}, {message})")
        for name in (host, host.replace("127.0.0.1", "localhost"))
        for path in ("/api/events/in", "/api/events/out", "/api/logs/out")
        for message in ('{type: "auth", token: null}',)
    }
    # Before it is accepted: nothing is read by it, whatever the page sends first.
    assert set(sockets.values()) == {"refused (closed 1006)"}
    create = f"{target.api}/deployments/{target.deployment}/create_flow_run"
    _attempt(page, "no-cors create_flow_run", f"blob({json.dumps(create)}, {json.dumps(_ORDER)})")
    _attempt(page, "no-cors events", f"blob({json.dumps(f'{target.api}/events')}, {json.dumps([_event()])})")
    read = _attempt(page, "read", f"fetch({json.dumps(f'{target.api}/health')}).then(a => a.text())")
    assert "refused" in read
    _keep(page, tmp_path, "attack")
    assert target.orders == 0


def test_a_name_that_leads_here_by_rebinding_shows_nothing(page: Page, target: Target, tmp_path: Path) -> None:
    port = urlsplit(target.api).port
    for path in ("/", "/api/health", "/api/admin/version", "/ui-settings"):
        answer = page.goto(f"http://{_NAME}:{port}{path}")
        assert answer is not None
        assert answer.status == 403
        assert "Host or Origin is not this server" in page.inner_text("body")
    _keep(page, tmp_path, "rebinding")
    # From there everything has the same origin as the server, and an answer can be read.
    code = f"fetch('/api/deployments/{target.deployment}/create_flow_run', {{method: 'POST', body: '{{}}'}})"
    assert page.evaluate(f"{code}.then(answer => answer.status)") == 403
    closed = "new Promise(done => { const s = new WebSocket('ws://' + location.host + '/api/events/out', ['prefect']);"
    assert page.evaluate(closed + " s.onopen = () => done('open'); s.onclose = e => done(e.code); })") == 1006
    assert target.orders == 0


def test_who_has_not_the_password_gets_nothing_from_this_computer_either(target: Target) -> None:
    wrong = base64.b64encode(b"admin:pass").decode()
    for headers in ({}, {"Authorization": f"Basic {wrong}"}, {"Authorization": "Basic"}):
        path = f"{target.api}/deployments/{target.deployment}/create_flow_run"
        assert httpx.post(path, json={}, headers=headers, trust_env=False).status_code == 401
        assert httpx.post(f"{target.api}/events", json=[], headers=headers, trust_env=False).status_code == 401
        assert (
            httpx.post(f"{target.api}/deployments/filter", json={}, headers=headers, trust_env=False).status_code == 401
        )
    assert target.orders == 0


@pytest.mark.parametrize("token", ["", "wrong"])
def test_the_sockets_ask_for_the_password_too(target: Target, token: str) -> None:
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.sync.client import connect

    for path in ("/events/in", "/events/out", "/logs/out"):
        url = target.api.replace("http:", "ws:") + path
        with pytest.raises(InvalidHandshake), connect(url):
            pass
        with connect(url, subprotocols=["prefect"]) as socket:  # type: ignore[list-item]
            socket.send(json.dumps({"type": "auth", "token": token}))
            with pytest.raises(ConnectionClosed):
                socket.recv(30)


def test_the_ui_opens_with_the_password_and_its_live_events_come(
    page: Page, target: Target, api_password: str, tmp_path: Path
) -> None:
    ui = target.api.removesuffix("/api")
    page.goto(ui)
    page.get_by_placeholder("admin:pass").wait_for()
    _keep(page, tmp_path, "login")
    _ui["log_in"](page, ui, api_password)
    page.goto(f"{ui}/v2/deployments")
    page.get_by_role("link", name="attacked").first.wait_for()
    _keep(page, tmp_path, "ui")
    # It is asked for once: the browser keeps it for this address, and for the older UI as well.
    page.goto(f"{ui}/deployments")
    page.get_by_text("Switch to V2 UI").wait_for()
    page.get_by_text("attacked").first.wait_for()
    _keep(page, tmp_path, "ui-v1")
    found = page.evaluate(
        """token => new Promise(done => {
            const socket = new WebSocket('ws://' + location.host + '/api/events/out', ['prefect']);
            socket.onopen = () => socket.send(JSON.stringify({type: 'auth', token}));
            socket.onmessage = message => done(JSON.parse(message.data).type);
            socket.onclose = event => done('closed ' + event.code);
        })""",
        api_password,
    )
    assert found == "auth_success"


def test_the_same_orders_with_the_password_are_taken(target: Target) -> None:
    """Otherwise the tests above would count nothing, whatever was ordered."""
    target.post(f"/deployments/{target.deployment}/create_flow_run", **_ORDER)
    answer = httpx.post(f"{target.api}/events", json=[_event()], headers=target.headers, trust_env=False)
    assert answer.is_success
    for _ in range(300):
        if target.orders == 2:
            break
        # The server writes events in batches.
        time.sleep(0.1)
    assert target.orders == 2


def _keep(page: Page, folder: Path, name: str) -> None:
    """A picture of what is seen, in the folder that the variable names or in the test's own."""
    page.screenshot(path=Path(os.environ.get("TEST_SHOTS", folder)) / f"01-{name}.png")
