"""Issues in SQL: what the reports of an environment found, and what people decided."""
