"""What Alembic runs: revisions on a connection that `smsgate.store.schema` opened."""

from __future__ import annotations

from alembic import context

from smsgate.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    # The caller began the transaction, so that a failed revision leaves the old schema whole.
    transaction_per_migration=False,
)
context.run_migrations()
