"""The table of what is wrong when an endpoint refuses a call, and what is done next."""
