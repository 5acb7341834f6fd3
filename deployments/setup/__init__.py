"""`agent-report setup`: what a Prefect server needs for this project, made or only looked at."""
