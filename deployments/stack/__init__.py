"""Everything on one machine: PostgreSQL, the Prefect server, a worker, the webhook receiver, under one command."""
