"""Numbered migrations of the ledger's schema, run by Alembic when an older ledger is opened."""
