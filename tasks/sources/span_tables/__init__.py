"""The source as a table of spans: what tracing platforms export as files, and ClickHouse's ``otel_traces``."""
