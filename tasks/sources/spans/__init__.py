"""Spans as a source: what stores of spans have in common."""
