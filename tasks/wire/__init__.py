"""Exchanges over HTTP: bounded in time and size, and failures that name the way they went."""
