"""Prefect server, PostgreSQL and runner of our own on this machine."""
