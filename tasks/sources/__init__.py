"""Where agents and runs come from, a package each; each gives the same types."""
