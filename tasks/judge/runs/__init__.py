"""The judge on single runs."""
