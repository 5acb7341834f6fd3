"""When and where reports run."""
