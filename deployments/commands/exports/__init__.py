"""A report, or a set of its runs, as files for other programs."""
