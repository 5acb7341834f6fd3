"""Measures what README and docs name, into `benchmarks/RESULTS.md`: ``make bench`` or ``python -m benchmarks.results``.

``--only reports start`` measures some sections and keeps the others as they are. ``--baseline COMMIT`` is the commit
that reports and start are measured beside; its checkout and virtual environment are made in a temporary folder, unless
``--baseline-tree`` names a checkout with a `.venv`. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_RESULTS = _ROOT / "benchmarks" / "RESULTS.md"
_BASELINE = "452c3d9"
# Agents, calls at once (0: unlimited), seconds of a judge call on an agent and on the team, rounds.
_REPORTS = (
    (14, 10, 2.0, 3.0, 3),
    (14, 0, 2.0, 3.0, 3),
    (100, 10, 2.0, 3.0, 3),
    (100, 0, 2.0, 3.0, 3),
    (1000, 10, 2.0, 3.0, 1),
    (1000, 0, 2.0, 3.0, 1),
    (14, 100, 0.5, 0.5, 3),
    (100, 100, 0.5, 0.5, 3),
    (1000, 100, 0.5, 0.5, 1),
)
Trees = Mapping[str, Path]


def main() -> None:
    """Measure the sections asked for and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results")
    parser.add_argument("--only", nargs="+", choices=_SECTIONS, default=list(_SECTIONS))
    parser.add_argument("--baseline", default=_BASELINE)
    parser.add_argument("--baseline-tree", type=Path)
    parser.add_argument("--rounds", type=int, help="instead of each case's own number")
    given = parser.parse_args()
    sections = _read_sections()
    with _trees(given) as trees:
        for name in given.only:
            title, measure = _SECTIONS[name]
            sections[title] = "\n".join([_when(), "", *measure(trees, given.rounds)])
            _write_sections(sections)


@contextmanager
def _trees(given: argparse.Namespace) -> Iterator[Trees]:
    """The checkouts that are compared, by their name in the tables."""
    if not {"reports", "start"} & set(given.only):
        yield {"now": _ROOT}
    elif given.baseline_tree:
        yield {given.baseline: given.baseline_tree.resolve(), "now": _ROOT}
    else:
        with tempfile.TemporaryDirectory(prefix="baseline-") as name:
            tree = Path(name) / "tree"
            _run("git", "worktree", "add", "--detach", str(tree), given.baseline, cwd=_ROOT)
            try:
                _run(sys.executable, "-m", "venv", ".venv", cwd=tree)
                _run(".venv/bin/python", "-m", "pip", "install", "-q", "-c", "constraints.txt", "-e", ".", cwd=tree)
                yield {given.baseline: tree, "now": _ROOT}
            finally:
                _run("git", "worktree", "remove", "--force", str(tree), cwd=_ROOT)


def _run(*command: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AGENT_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _measured(tree: Path, program: str, *arguments: str, home: Path) -> dict[str, float]:
    """The last line of a program of this folder, run in ``tree``."""
    environment = os.environ | {"PREFECT_HOME": str(home)}
    command = [str(tree / ".venv/bin/python"), str(_ROOT / "benchmarks" / f"{program}.py"), *arguments]
    done = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def measure_reports(trees: Trees, rounds: int | None) -> list[str]:
    """Whole reports, on a Prefect server of their own."""
    lines = [
        "Reports on N agents of 20 runs with a trace each; source, Jaeger and judge are in a process of their own.",
        "Median of three; one report each of 1,000 agents. CPU is that of the flow, an agent.",
        "",
        "| agents | limit | judge, team | commit | report | of which call for issues | our CPU an agent "
        "| server's CPU an agent | task runs | peak memory | calls in flight |",
        "|---:|---:|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory(prefix="homes-") as name:
        homes = {commit: Path(name) / commit for commit in trees}
        for commit, tree in trees.items():
            # Neither the migrations nor what a machine does for the first time are what is measured.
            _measured(tree, "one_report", "14", "10", "0.1", "0.1", home=homes[commit])
        for agents, limit, judge, team, several in _REPORTS:
            found: dict[str, list[dict[str, float]]] = {commit: [] for commit in trees}
            for _ in range(rounds or several):
                for commit, tree in trees.items():
                    case = (str(agents), str(limit), str(judge), str(team))
                    found[commit].append(_measured(tree, "one_report", *case, home=homes[commit]))
            for commit, measured in found.items():
                one = _medians(measured)
                lines.append(
                    f"| {agents:,} | {limit or 'none'} | {judge:g} s, {team:g} s | {commit} | {one['seconds']:.2f} s "
                    f"| {one['issues_seconds']:.2f} s | {1000 * one['own_cpu_seconds'] / agents:.0f} ms "
                    f"| {1000 * one['server_cpu_seconds'] / agents:.0f} ms | {one['task_runs']:.0f} "
                    f"| {one['peak_mib']:.0f} MiB | {one['in_flight']:.0f} |"
                )
                print(lines[-1], flush=True)
    return lines


def measure_start(trees: Trees, rounds: int | None) -> list[str]:
    """The command's start, with a fresh Prefect home and with a used one, beside Prefect alone."""
    lines = [
        "`agent-report run` on 14 agents: seconds from the start of the process to the first judge call, and to its",
        "end (judge and team 0.2 s). Beside it a Prefect flow with one task that does nothing: to its first statement,",
        "and to its end. Median of three.",
        "",
        "| program | commit | Prefect home | first | whole |",
        "|---|---|---|---:|---:|",
    ]
    for arguments, program in (((), "agent-report run"), (("--bare",), "bare flow")):
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(rounds or 3):
            for commit, tree in trees.items():
                with tempfile.TemporaryDirectory(prefix="home-") as name:
                    home = Path(name) / "prefect"
                    for kind in ("fresh", "used"):
                        one = _measured(tree, "first_call", str(home), *arguments, home=home)
                        found.setdefault((commit, kind), []).append(one)
        for (commit, kind), measured in sorted(found.items(), key=lambda item: item[0][1]):
            one = _medians(measured)
            lines.append(
                f"| {program} | {commit} | {kind} | {one['first_call_seconds']:.1f} s | {one['whole_seconds']:.1f} s |"
            )
            print(lines[-1], flush=True)
    return lines


def _printed(module: str, *arguments: str) -> Callable[[Trees, int | None], list[str]]:
    """A section that is what one of the other programs prints."""

    def measure(trees: Trees, rounds: int | None) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments], cwd=_ROOT, capture_output=True, text=True
        )
        print(done.stdout, flush=True)
        command = " ".join(["python -m", f"benchmarks.{module}", *arguments])
        return [f"`{command}`, exit code {done.returncode}:", "", "```", *done.stdout.rstrip().splitlines(), "```"]

    return measure


_SECTIONS: dict[str, tuple[str, Callable[[Trees, int | None], list[str]]]] = {
    "reports": ("Reports", measure_reports),
    "start": ("The first judge call", measure_start),
    "shared": ("Reports on a shared server", _printed("report_speed", "--shared")),
    "history": ("Long histories", _printed("history_speed")),
    "population": ("Many runs in one window", _printed("population")),
    "recall": ("What redaction finds", _printed("redaction_recall")),
    "redaction": ("Redaction of hostile texts", _printed("redaction_speed")),
    "spans": ("What is read of spans", _printed("span_reading", "--all")),
    "rates": ("Success rates: intervals and unchanged nights", _printed("success_rates")),
    "airline": ("Success of real runs that all completed", _printed("airline")),
    "airline-report": ("A report on real runs that all completed", _printed("airline_report")),
    "alarms": ("False alarms of comparisons", _printed("false_alarms", "--pairs", "200")),
}


def _when() -> str:
    commit = _run("git", "describe", "--always", "--dirty", cwd=_ROOT).strip()
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Commit {commit}, {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores "
        f"({model[1].strip() if model else platform.machine()}), {memory:.0f} GiB; load {os.getloadavg()[0]:.1f}."
    )


def _read_sections() -> dict[str, str]:
    if not _RESULTS.exists():
        return {}
    parts = re.split(r"^## (.+)\n", _RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def _write_sections(sections: Mapping[str, str]) -> None:
    head = "# Results of the benchmarks\n\nMade by `make bench`; each section names the commit and the machine.\n"
    order = [title for title, _ in _SECTIONS.values() if title in sections]
    text = head + "".join(f"\n## {title}\n\n{sections[title]}\n" for title in order)
    made = _RESULTS.with_suffix(".making")
    made.write_text(text, encoding="utf-8")
    shutil.move(made, _RESULTS)


if __name__ == "__main__":
    main()
