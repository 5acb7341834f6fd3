"""Numbers in, numbers out: knows no row and no report."""
