"""Hundreds of hostile requests, and a burst of honest ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

KEY = base64.b64decode("bmV3" * 8)
GITHUB = b"a-secret-of-github-1"
HONEST = b'{"environment": "production"}'
Request = tuple[str, str, dict[str, str], bytes]


def _signed(body: bytes, *, at: float = 0, delivery: str = "msg_hostile", key: bytes = KEY) -> dict[str, str]:
    at = int(at or time.time())
    digest = hmac.new(key, f"{delivery}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": signature}


def _hostile(number: int, dice: random.Random) -> Request:
    """One request; most are signed by a sender that has the secret and means no good, or was captured."""
    json_type = {"content-type": "application/json"}
    path = "/webhooks/reports"
    noise = dice.randbytes(dice.randrange(1, 3000))
    bodies = [
        b'{"a":' * dice.choice([17, 300, 12_000]),
        b"[" * dice.choice([20, 65_000]),
        b'{"environment": "production", "criteria": {"agents": ' + b'{"x":' * 40 + b"1" + b"}" * 42,
        b'{"environment": NaN}',
        b'{"environment": "a\\u0000b"}',
        b'{"environment": "production", "environment": "production"}',
        b'{"environment": "\\ud800"}',
        b'{"environment": "production", "options": {"max_report_cost_usd": 1e999}}',
        b'{"environment": "production", "report_id": ' + b"9" * dice.choice([12, 4_000, 60_000]) + b"}",
        json.dumps(
            {"environment": dice.choice([None, 1, True, [], {}, "", "x" * 60_000, "../../etc", "nowhere"])}
        ).encode(),
        json.dumps({"environment": "production", "options": dice.choice([[], 1, {"runs_per_agent": "1"}])}).encode(),
        json.dumps({"environment": "production", "criteria": {"default": {"a": {"weight": "x" * 9_000}}}}).encode(),
        json.dumps({f"key {index}": index for index in range(3_000)}).encode(),
        json.dumps({"environment": {"__prefect_kind": "jinja", "template": "{{ [0] * 99999999 }}"}}).encode(),
    ]
    body = dice.choice(bodies)
    kind = number % 12
    if kind < 4:
        return "POST", path, {**json_type, **_signed(body, delivery=f"msg_{number}")}, body
    if kind == 4:
        return "POST", path, {**json_type, **_signed(HONEST, key=noise)}, HONEST
    if kind == 5:
        return "POST", path, {**json_type, **_signed(HONEST, at=time.time() + dice.choice([-1, 1]) * 4_000)}, HONEST
    if kind == 6:
        tampered = {**_signed(HONEST), "webhook-id": f"msg_{number}"}
        return "POST", path, {**json_type, **tampered}, HONEST
    if kind == 7:
        return "POST", path, {**json_type, **_signed(b""), "webhook-signature": "v1," + "A," * 500}, noise
    if kind == 8:
        wrong = dice.choice(["text/html", "application/xml", "", "application/json; charset=utf-7", "x" * 5_000])
        return "POST", path, {**_signed(HONEST), "content-type": wrong}, HONEST
    if kind == 9:
        digest = "sha256=" + hmac.new(GITHUB, noise, hashlib.sha256).hexdigest()
        event = dice.choice(["repository_dispatch", "deployment_status", "push", "x" * 900])
        headers = {"x-hub-signature-256": digest, "x-github-delivery": f"d{number}", "x-github-event": event}
        return "POST", path, {**json_type, **headers}, noise
    if kind == 10:
        method = dice.choice(["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "GET"])
        return method, path, {**json_type, **_signed(HONEST)}, HONEST
    run_id = dice.choice(["x", "..%2f..%2fetc", "%00", "9" * 2_000, "00000000-0000-0000-0000-000000000000"])
    return "GET", f"{path}/{run_id}", _signed(b"", delivery=run_id[:200].replace(".", "")), b""


def _raw(url: str, sent: bytes, *, seconds: float = 15) -> int:
    """The status of the answer to these bytes; 0 when the connection is closed without one."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=seconds) as connection:
        try:
            connection.sendall(sent)
            answer = connection.recv(4096)
        except ConnectionError:
            return 0
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def _oddities() -> list[bytes]:
    """What no client library would send: lying lengths, endless chunks, broken lines."""
    head = b"POST /webhooks/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    return [
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3,
        head + b"Content-Length: 99999999999\r\n\r\n{}",
        head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        head + b"Content-Length: -2\r\n\r\n{}",
        head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n",
        head + b"No colon\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        b"GET / HTTP/9.9\r\n\r\n",
    ]


def test_hundreds_of_hostile_requests_do_nothing(process: Any) -> None:
    captured = _signed(HONEST, delivery="msg_captured")
    json_type = {"content-type": "application/json"}

    def send(request: Request) -> int:
        method, path, headers, body = request
        return int(process.http.request(method, process.url + path, headers=headers, content=body).status_code)

    def replay(_: int) -> int:
        return send(("POST", "/webhooks/reports", {**json_type, **captured}, HONEST))

    assert replay(0) == 202
    runs = len(process.deployed.runs())
    dice = random.Random(4)
    requests = [_hostile(number, dice) for number in range(600)]
    slow = (
        b"POST /webhooks/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    # Prefect has eight seconds for an answer: a few at a time ask it, so that a busy machine gives it in time.
    with ThreadPoolExecutor(50) as slow_pool, ThreadPoolExecutor(16) as pool, ThreadPoolExecutor(4) as few:
        # What it holds once every path has been gone is what it may hold.
        statuses = Counter(pool.map(send, requests[:200]))
        before = process.memory
        dripping = [slow_pool.submit(_raw, process.url, slow, seconds=30) for _ in range(50)]
        statuses += Counter(pool.map(send, requests[200:]))
        replays = Counter(few.map(replay, range(20)))
        statuses += Counter(pool.map(lambda sent: _raw(process.url, sent), _oddities() * 3))
        statuses += Counter(future.result() for future in dripping)
    grown = process.memory - before

    assert sum(statuses.values()) + sum(replays.values()) == 697
    assert set(replays) == {202}
    assert not [status for status in statuses if status >= 500 or status in (200, 202)], statuses
    assert {400, 401, 403, 404, 405, 408, 413, 415, 422} <= set(statuses), statuses
    assert len(process.deployed.runs()) == runs
    assert grown < 16 * 2**20, f"{grown / 2**20:.1f} MiB more than after the first 200"
    assert process.http.get(process.url + "/readyz").status_code == 200
    print(f"{dict(statuses)}; {before / 2**20:.1f} MiB and {grown / 2**20:+.1f} MiB")


def test_a_burst_of_honest_deliveries_is_a_flow_run_each(process: Any) -> None:
    before = {run.id for run in process.deployed.runs()}
    # Each is sent twice, so four times as many are under way as the receiver asks Prefect at once.
    waiting = [f"msg_burst_{number}" for number in range(20)]
    given: dict[str, set[str]] = {delivery: set() for delivery in waiting}

    def send(delivery: str) -> tuple[str, Any]:
        return delivery, process.order({"environment": "production", "name": delivery}, delivery=delivery)

    with ThreadPoolExecutor(40) as pool:
        # Everyone sends twice, as senders do whose first answer got lost.
        answers = list(pool.map(send, waiting * 2))
        for _ in range(20):
            for delivery, answer in answers:
                assert answer.status_code in (202, 429, 503), answer.text
                if answer.status_code == 202:
                    given[delivery].add(answer.json()["flow_run_id"])
            if all(given.values()):
                break
            time.sleep(1)
            answers = list(pool.map(send, [delivery for delivery in waiting if not given[delivery]]))
    assert all(len(runs) == 1 for runs in given.values())
    new = [run for run in process.deployed.runs() if run.id not in before]
    assert sorted(run.name for run in new if run.parameters["name"] in given) == sorted(run.name for run in new)
    assert {str(run.id) for run in new} == {run for runs in given.values() for run in runs}
    assert len(new) == 20
