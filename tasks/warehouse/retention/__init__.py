"""What is removed when, with all that belongs to it."""
