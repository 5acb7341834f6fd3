"""Numbers and texts as people read them: knows no row and no report."""
