"""The source contract: what every reader gives, and how it becomes agents and runs."""
