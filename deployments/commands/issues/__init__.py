"""The bodies of the commands for issues."""
