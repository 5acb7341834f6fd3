"""What lasts: tables, files and the ledger of paid answers."""
