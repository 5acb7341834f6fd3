"""MLflow's tracking server as a store of spans."""
