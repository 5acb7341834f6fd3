"""What uses more of Prefect's client than its public API."""
