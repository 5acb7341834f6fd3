"""All finished runs of a window: what they add up to, and which of them are read in full."""
