"""Langfuse as a source: its observations as spans."""
