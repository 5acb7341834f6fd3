"""The contract that every source keeps: rows of runs, agents, steps and signals, by its names."""
