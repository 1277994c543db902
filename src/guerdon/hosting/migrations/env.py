"""Run migrations inside the transaction that the store has opened."""

from alembic import context

from guerdon.hosting.store import VERSION_TABLE

connection = getattr(context, "config", None) and context.config.attributes["connection"]

if connection is not None:
    context.configure(connection=connection, version_table=VERSION_TABLE, transaction_per_migration=False)
    context.run_migrations()
