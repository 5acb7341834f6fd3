"""One module per revision, frozen: it says what the schema was then, and never imports today's."""
