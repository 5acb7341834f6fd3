"""Ports of 127.0.0.1: the wanted one, or another where it is taken."""

from __future__ import annotations

import socket

_HOST = "127.0.0.1"


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
    """``wanted``, or any port that is free now."""
    with listen(wanted) as listener:
        return port_of(listener)
