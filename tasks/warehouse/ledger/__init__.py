"""The ledger of paid judge answers."""
