"""The bench: one loop of ask → score → tell → checkpoint, with keys in a vault and verdicts in the ledger."""
