"""The webhook receiver: signed requests become flow runs of one deployment."""
