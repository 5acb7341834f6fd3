"""The process that outlives a killed stack and stops what it left behind: ``python -m … FOLDER START``.

Not every child of a stack can watch its parent itself (PostgreSQL, the flow runs of the worker), and Linux's own means
for that is Linux's alone. This one does nothing but wait for the end of a pipe that only the stack holds open.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from deployments.stack.leftovers import end_marked


def main() -> None:
    """Wait for the parent's end, then stop all processes with its mark."""
    folder, start = Path(sys.argv[1]), sys.argv[2]
    # A signal to all processes reaches the stack too, whose end this process waits for.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    end_marked(folder, start)


if __name__ == "__main__":
    main()
