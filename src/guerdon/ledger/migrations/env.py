"""Run migrations over the connection, and inside the transaction, that the ledger has opened."""

from alembic import context

from guerdon.ledger.schema import VERSION_TABLE, metadata

try:
    connection = context.config.attributes["connection"]
except NameError:  # imported by something else than a migration
    connection = None

if connection is not None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        transaction_per_migration=False,
        render_as_batch=True,
    )
    context.run_migrations()
