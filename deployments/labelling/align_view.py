"""What ``agent-report align`` prints: the guidance, what it changed, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from deployments.terminal.console import one_line, plain
from deployments.terminal.invocation import printed_command
from tasks.judge.runs.guidance import Guidance
from tasks.statistics.estimate import Estimate
from tasks.wording.counts import counted
from tasks.wording.formats import format_cost

if TYPE_CHECKING:
    from tasks.calibration.alignment import Alignment


@dataclass(frozen=True, slots=True)
class Aligned:
    """Guidance that was measured, and the file that it is in. ``suspicion`` is what in it looks like an attempt to
    influence the judge ("" without); ``cost_usd`` is None when it is not known."""

    report_id: int
    guidance: Guidance
    found: Alignment
    stored: Path
    adopted: bool
    suspicion: str
    cost_usd: float | None

    def as_json(self) -> dict[str, Any]:
        """For programs: estimates as objects, the text of the guidance."""
        found = self.found
        estimates = {name: getattr(found, name).model_dump() for name in ("before", "after", "change")}
        undecided = {"undecided_before": found.undecided_before, "undecided_after": found.undecided_after}
        return {
            "report_id": self.report_id,
            "adopted": self.adopted,
            "file": str(self.stored),
            "runs": found.runs,
            **estimates,
            **undecided,
            "suspicion": self.suspicion or None,
            "cost_usd": self.cost_usd,
            "guidance": self.guidance.guidance,
            "at": datetime.now(UTC),
        }


def print_aligned(console: Console, aligned: Aligned, *, setting: str) -> None:
    """Print it for people; ``setting`` is the one that has to be set for reports to follow it ("": it is set)."""
    found = aligned.found
    console.print(Text.assemble(("\nGuidance\n", "bold"), plain(aligned.guidance.guidance)))
    console.print(
        Text.assemble(
            ("\nOn ", "bold"),
            f"{counted(found.runs, 'labelled run')} that it did not use: kappa {_figure(found.before)} without, "
            f"{_figure(found.after)} with it, change {_figure(found.change, signed=True)}; the judge could not tell "
            f"{found.undecided_before} without and {found.undecided_after} with it. "
            f"Cost {format_cost(aligned.cost_usd)}.",
        ),
        soft_wrap=True,
    )
    if not aligned.adopted:
        why = "kappa on labels that it did not use does not rise"
        if aligned.suspicion:
            why = f"it holds what looks like an attempt to influence the judge ({aligned.suspicion})"
        command = printed_command("align", aligned.report_id, "--file", aligned.stored)
        console.print(
            Text.assemble(
                ("Not adopted: ", "bold yellow"),
                one_line(f"{why}. It is in {aligned.stored}, to be edited; then:"),
                f" {command}",
            ),
            soft_wrap=True,
        )
        return
    console.print(Text.assemble(("Adopted: ", "bold green"), one_line(f"it is in {aligned.stored}.")), soft_wrap=True)
    if found.change.low is not None and found.change.low <= 0:
        console.print("The interval of the change holds 0: more labels would show whether it is luck.")
    if setting:
        console.print(
            Text.assemble(
                "To use it, set ", (f"{setting}={aligned.stored}", "bold"), ": later reports follow it, and show it."
            ),
            soft_wrap=True,
        )


def _figure(estimate: Estimate, *, signed: bool = False) -> str:
    if estimate.value is None:
        return "not known"
    sign = "+" if signed else ""
    text = f"{estimate.value:{sign}.2f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({estimate.low:{sign}.2f} to {estimate.high:{sign}.2f})"
