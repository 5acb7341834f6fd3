"""The command that judges one run by itself."""
