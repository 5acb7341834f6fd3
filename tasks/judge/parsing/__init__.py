"""What a judge's text holds: which of it is the answer, its JSON as models write it, and where the criteria stand."""
