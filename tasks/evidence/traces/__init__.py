"""Traces: spans of any convention, as trees, in sums and as a waterfall."""
