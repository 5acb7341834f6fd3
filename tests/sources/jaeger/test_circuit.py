"""The circuit opens when a check confirms that failures in a row are the server's, and closes by itself."""

from __future__ import annotations

from typing import Any

from tasks.sources.jaeger.circuit import Circuit


def _circuit(clock: Any, checks: list[str | None]) -> Circuit:
    return Circuit(lambda: checks.pop(0), clock=clock, threshold=3, cooldown_seconds=30)


def test_failures_in_a_row_open_it_when_the_check_fails_too(clock: Any) -> None:
    circuit = _circuit(clock, ["down"])
    circuit.failed()
    circuit.failed()
    assert circuit.reason is None
    circuit.failed()
    assert circuit.reason == "down"
    clock.now = 29.9
    assert circuit.reason == "down"
    clock.now = 30.0
    assert circuit.reason is None


def test_a_success_between_starts_the_count_anew(clock: Any) -> None:
    circuit = _circuit(clock, [])
    for _ in range(5):
        circuit.failed()
        circuit.failed()
        circuit.succeeded()
    assert circuit.reason is None


def test_a_healthy_check_keeps_it_closed_and_starts_the_count_anew(clock: Any) -> None:
    checks: list[str | None] = [None, "down"]
    circuit = _circuit(clock, checks)
    for _ in range(5):
        circuit.failed()
    assert (circuit.reason, checks) == (None, ["down"])
    circuit.failed()
    assert circuit.reason == "down"


def test_it_can_be_opened_for_longer(clock: Any) -> None:
    circuit = _circuit(clock, [])
    circuit.open("asked to wait", 100)
    clock.now = 99.0
    assert circuit.reason == "asked to wait"
