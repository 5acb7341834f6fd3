"""What is known of an agent: its runs, its traces and what follows from them."""
