"""Criteria: what they are, presets, and those that code computes from the runs."""
