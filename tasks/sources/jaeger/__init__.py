"""Traces in Jaeger's query service."""
