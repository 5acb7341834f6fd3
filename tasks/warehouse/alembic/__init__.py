"""What Alembic runs: ``env`` and the versions. Called by ``tasks.warehouse.migrations`` only."""
