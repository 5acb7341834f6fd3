"""Phoenix as a store of spans."""
