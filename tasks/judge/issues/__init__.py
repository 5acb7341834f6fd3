"""Issues: what went wrong across runs and agents, found by the judge from the verdicts on failing runs."""
