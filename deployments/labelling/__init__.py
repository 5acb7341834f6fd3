"""Labels by people, on the terminal and in files."""
