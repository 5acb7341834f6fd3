"""The steps of a report: plain Python in the subpackages, one Prefect task around each in the modules."""
