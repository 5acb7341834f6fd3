"""The views for analysts."""
