"""What ``agent-report doctor`` checks: every setting and every connection that a report uses."""
