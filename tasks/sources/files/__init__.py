"""The source as files (Parquet, JSON, CSV), read by DuckDB in memory."""
