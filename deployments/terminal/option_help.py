"""Options as ``--help`` shows them: a report option with its default and its setting, and plain flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(show_default=False)]


def option(name: str, **more: object) -> Parameter:
    """The parameter of the report option ``name`` (a field of ``ReportOptions``)."""
    return Parameter(show_default=_describe(name), **more)  # type: ignore[arg-type]


def _describe(name: str) -> Callable[[object], str]:
    def describe(_given: object) -> str:
        # Only help needs it, and it loads what reads settings.
        from tasks.settings import ReportOptions

        default = ReportOptions.model_fields[name].get_default(call_default_factory=True)
        setting = f"AGENT_REPORT_{name.upper()}"
        if default in ("", []):
            return f"all, or {setting}"
        shown = (
            str(default).lower()
            if isinstance(default, bool)
            else f"{default:g}"
            if isinstance(default, float)
            else default
        )
        return f"{shown}, or {setting}"

    return describe
