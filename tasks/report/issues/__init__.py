"""The issues of a report: checked, merged, counted, and followed from report to report. Pure."""
