"""The source as tables of an SQL database."""
