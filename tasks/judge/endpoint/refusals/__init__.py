"""What an endpoint answers instead of a completion, read."""
