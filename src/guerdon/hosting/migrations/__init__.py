"""The tables of contests, in versions of their own beside those of the ledger."""
