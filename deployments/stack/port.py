"""Ports of 127.0.0.1: the wanted one, or another where it is taken."""

from __future__ import annotations

import random
import socket

_HOST = "127.0.0.1"
_SELDOM_USED = range(20_000, 32_000)


def listen(wanted: int) -> socket.socket:
    """A listening socket on port ``wanted``, or on any free one."""
    # While a process listens on all addresses, some systems let another one listen on this address.
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = wanted != 0 and probe.connect_ex((_HOST, wanted)) == 0
    if not taken:
        try:
            return socket.create_server((_HOST, wanted), backlog=512)
        except OSError:
            # Taken, or not allowed.
            pass
    return socket.create_server((_HOST, 0), backlog=512)


def port_of(listener: socket.socket) -> int:
    """The port it listens on."""
    return int(listener.getsockname()[1])


def free_port(wanted: int) -> int:
    """``wanted``, or another port that is free now, for a process that opens it later.

    The other one is below the range of ephemeral ports, so that no other process gets it in the meantime.
    """
    with listen(wanted) as listener:
        port = port_of(listener)
    if port == wanted:
        return port
    for other in random.sample(_SELDOM_USED, 100):
        try:
            with socket.create_server((_HOST, other)):
                return other
        except OSError:
            continue
    return port
