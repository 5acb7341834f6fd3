"""A sample environment with a simulated judge and a simulated Jaeger."""
