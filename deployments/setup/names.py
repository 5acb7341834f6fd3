"""Names of what setup makes, for those too that need not load Prefect."""

from __future__ import annotations

FILE_NAME = "prefect.yaml"
POOL = "agent-report"
TAG = "agent-report"
