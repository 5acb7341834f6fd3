"""Every table of the warehouse."""
