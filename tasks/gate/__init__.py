"""Release rules."""
