"""The recipes: what is done, in which order."""
