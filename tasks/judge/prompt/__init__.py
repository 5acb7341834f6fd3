"""What the judge is shown, and how."""
