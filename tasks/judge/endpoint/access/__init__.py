"""How the judge's endpoint is reached, let in to and asked: address, key, headers, what is sent beside the question."""
