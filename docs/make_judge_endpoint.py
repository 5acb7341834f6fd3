"""Makes ``docs/reference/judge-endpoint.md`` from the table of faults: run this file."""

from __future__ import annotations

from pathlib import Path

from tasks.judge.endpoint.faults.fault import Example, Fault
from tasks.judge.endpoint.faults.table import FAULTS

_HEAD = """\
# What the judge's endpoint says

Made by `docs/make_judge_endpoint.py` from `tasks/judge/endpoint/faults/`.

OpenAI-compatible endpoints differ in what they take and in how they refuse it. This is what an endpoint says, and what
is done then. The rows are tried from the top; where the remedy of a row is used up (there is no simpler format left),
the next row that fits counts. Each example is tested over HTTP.

- An error is read wherever it stands: `error.message`, `message`, `detail`, `errors[]`, a list around it, JSON within
  text, `metadata.raw`, events, plain text, the title of an HTML page. An error that comes with HTTP 200 is handled as
  the status that it states.
- What an error echoes is not read: the request, the model's output, and passages of the prompt in its words.
- What an endpoint does not take is remembered for as long as the process runs, for each model, and logged once.
"""


def render() -> str:
    """The page."""
    parts = [_HEAD, "| what is wrong | what is done next |", "|---|---|"]
    parts += [f"| [{fault.what}](#{_anchor(fault)}) | {_cell(fault.next)} |" for fault in FAULTS]
    parts += ["", *(_section(fault) for fault in FAULTS)]
    return "\n".join(parts).rstrip() + "\n"


def _section(fault: Fault) -> str:
    lines = [f"## {fault.what}\n", f"{fault.next}\n", f"Recognised by {_signs(fault)}.\n"]
    lines += ["| server | HTTP | says |", "|---|---|---|", *(_row(example) for example in fault.examples)]
    return "\n".join(lines) + "\n"


def _row(example: Example) -> str:
    words = f"“{_cell(example.words)}”" if example.words else "nothing"
    names = [f"code `{example.code}`"] * bool(example.code) + [f"param `{example.param}`"] * bool(example.param)
    return f"| {example.server} | {example.status} | {', '.join([words, *names])} |"


def _signs(fault: Fault) -> str:
    """How a row is recognised, in a sentence."""
    enough = [f"HTTP {_numbers(fault.alone_statuses)}"] * bool(fault.alone_statuses)
    among = f"HTTP {_numbers(fault.statuses)}" if fault.statuses else "any status"
    signs = ["words such as these"] * (fault.words is not None or fault.says is not None)
    signs += ["the parameter that is named"] * (fault.param is not None)
    signs += ["a code such as " + ", ".join(f"`{name}`" for name in sorted(fault.names)[:4])] * bool(fault.names)
    signs += ["a limit of a day or longer, unless it states when to ask again"] * fault.per_day
    if signs:
        enough.append(f"{among} with {' or '.join(signs)}")
    return "; ".join(enough) or f"{among} that is none of the above"


def _numbers(statuses: frozenset[int]) -> str:
    """Statuses in order; of many of a hundred: 5xx."""
    whole = [hundred for hundred in (3, 5) if len([each for each in statuses if each // 100 == hundred]) == 100]
    single = [str(each) for each in sorted(statuses) if each // 100 not in whole]
    return ", ".join(single + [f"{hundred}xx" for hundred in whole])


def _anchor(fault: Fault) -> str:
    words = "".join(char for char in fault.what.lower() if char.isalnum() or char in " -")
    return "-".join(words.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def main() -> None:
    """Write ``docs/reference/judge-endpoint.md``."""
    page = Path(__file__).parent / "reference" / "judge-endpoint.md"
    page.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
