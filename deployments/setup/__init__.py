"""`agent-report setup`: what a Prefect server needs for this project, created, or only checked."""
