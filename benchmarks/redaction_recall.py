"""What redaction finds and what it leaves: ``python -m benchmarks.redaction_recall``.

The texts are those of `tests/fixtures/redaction.json`: kinds of secrets, and honest texts that look like some. Prints
how many kinds were replaced, how many honest texts were changed, the exceptions by name, and CPU milliseconds per 100
kB of ordinary text (docs and code of this project) and of the honest texts; fails on an exception.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tasks.redaction.redactor import Redactor

_ROOT = Path(__file__).parents[1]
_LISTS = _ROOT / "tests" / "fixtures" / "redaction.json"
_ROUNDS = 20
_SIZE = 100_000


def main() -> None:
    """Print recall, false positives and times."""
    lists = json.loads(_LISTS.read_text(encoding="utf-8"))
    redactor = Redactor()
    kinds, honest = lists["kinds"], lists["honest"]
    missed = [name for name, kind in kinds.items() if _stays(redactor.redact(kind["text"]), kind["secrets"])]
    changed = [name for name, text in honest.items() if redactor.redact(text) != text]
    print(f"recall: {len(kinds) - len(missed)} of {len(kinds)} kinds replaced")
    for name in missed:
        print(f"  missed: {name}")
    print(f"false positives: {len(changed)} of {len(honest)} honest texts changed")
    for name in changed:
        print(f"  changed: {name}")
    print("CPU milliseconds per 100 kB, best of", _ROUNDS)
    for name, text in {
        "documentation": "\n".join(_read("docs", "*.md")),
        "code": "\n".join(_read("tasks", "*.py")),
        "honest texts": "\n".join(honest.values()) * 8,
    }.items():
        print(f"  {_cost(redactor, text[:_SIZE]):5.2f}  {name}")
    sys.exit(1 if missed or changed else 0)


def _stays(redacted: str, secrets: list[str]) -> bool:
    return any(secret in redacted for secret in secrets)


def _read(folder: str, pattern: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((_ROOT / folder).rglob(pattern))]


def _cost(redactor: Redactor, text: str) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.thread_time()
        redactor.redact(text)
        best = min(best, time.thread_time() - began)
    return best / len(text) * _SIZE * 1000


if __name__ == "__main__":
    main()
