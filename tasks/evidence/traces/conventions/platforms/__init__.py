"""Conventions of observability platforms whose SDKs write spans of their own."""
