"""Grafana Tempo as a store of spans."""
