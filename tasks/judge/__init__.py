"""What an LLM makes of the evidence."""
