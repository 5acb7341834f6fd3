"""The judge's endpoint: the client, its rate limit, and what the endpoint can do."""
