"""Run migrations over the connection, and inside the transaction, that the ledger has opened."""

from alembic import context

from guerdon.ledger.schema import VERSION_TABLE, metadata

connection = getattr(context, "config", None) and context.config.attributes["connection"]

if connection is not None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        transaction_per_migration=False,
        render_as_batch=True,
    )
    context.run_migrations()
