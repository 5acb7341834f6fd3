"""What is made of stored reports: comparisons, agreement with people, pages. Commands need no Prefect for it."""
