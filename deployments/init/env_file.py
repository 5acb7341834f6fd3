"""``.env``: the settings of the first report, with what comes next as comments."""

from __future__ import annotations

import re

_TEXT = """\
# Settings of agent-report, read in the folder that it runs in; environment variables take precedence.
# All of them: docs/reference/settings.md. `agent-report doctor` checks them.

# Where the agents' runs are. They are only ever read.
AGENT_REPORT_SOURCE_URL={url}
{mapping}
# The judge: any OpenAI-compatible endpoint (docs/guide/judges.md).
# OPENAI_API_KEY=sk-…
# OPENAI_BASE_URL=http://localhost:8000/v1
# AGENT_REPORT_JUDGE_MODEL=gpt-5.4-mini
# AGENT_REPORT_MAX_REPORT_COST_USD=2
{traces}
# Where reports are kept.
# AGENT_REPORT_WAREHOUSE_URL=sqlite:///agent-report-data/warehouse.db
# AGENT_REPORT_PARQUET_URL=agent-report-data/parquet

# The environment that scheduled reports cover.
AGENT_REPORT_ENVIRONMENT={environment}
"""
_MAPPING = """
# How its columns map to agents and runs.
AGENT_REPORT_SOURCE_MAPPING={mapping}
"""
_PRESET = """
# Which platform's export they are.
AGENT_REPORT_SOURCE_PRESET={preset}
"""
_TRACES = """
# Traces of the runs, if you have them in Jaeger.
# AGENT_REPORT_JAEGER_URL=http://localhost:16686
"""
_HEADERS = """
# What the store wants to be sent with each request, if anything.
# AGENT_REPORT_SOURCE_HEADERS={"authorization": "Bearer …"}
"""
_PLAIN = re.compile(r"[\w@%+=:,./?&*~-]+\Z", re.ASCII)


def render_env(url: str, mapping: str, environment: str, *, has_traces: bool, preset: str = "") -> str:
    """The file's text. ``mapping`` is the name of the mapping file, "" without one, as is ``preset``; ``has_traces``:
    the source has its own."""
    how = _MAPPING.format(mapping=_quoted(mapping)) if mapping else _PRESET.format(preset=preset) if preset else ""
    return _TEXT.format(
        url=_quoted(url),
        mapping=how,
        traces=_HEADERS if re.match(r"\w+\+https?:", url) else "" if has_traces else _TRACES,
        environment=_quoted(environment),
    )


def _quoted(value: str) -> str:
    """``value`` as python-dotenv reads it back."""
    if _PLAIN.match(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
