"""Aggregators: routes, attempts, credentials, and where polling for reports has come to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# As `smsgate.store.types` stood when this was written.
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_POLLED = (
    "gateway_ref IS NOT NULL AND state IN ('received-by-gateway', 'forwarded-by-gateway', 'sent')"
)
_PUSHED = "state = 'pending' AND lease_owner IS NOT NULL"
_INDEXES = {
    "reference": (["route", "gateway_ref"], "gateway_ref IS NOT NULL"),
    "polled": (["route", "id"], _POLLED),
    "pushed": (["leased_until", "id"], _PUSHED),
    "unknown": (["changed_at", "id"], "state = 'unknown'"),
}


def upgrade() -> None:
    op.add_column("outbound_messages", sa.Column("route", sa.String(length=64), nullable=True))
    for name, (columns, where) in _INDEXES.items():
        op.create_index(
            f"ix_outbound_messages_{name}",
            "outbound_messages",
            columns,
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )
    op.create_table(
        "outbound_attempts",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("route", sa.String(length=64), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", Time, nullable=False),
        sa.Column("ended_at", Time, nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("gateway_ref", sa.Text(), nullable=True),
        sa.Column("cost", sa.Text(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["outbound_messages.id"],
            name=op.f("fk_outbound_attempts_message_id_outbound_messages"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbound_attempts")),
        sa.UniqueConstraint(
            "message_id", "number", name=op.f("uq_outbound_attempts_message_id_number")
        ),
    )
    op.create_index(
        "ix_outbound_attempts_reference",
        "outbound_attempts",
        ["route", "gateway_ref"],
        postgresql_where=sa.text("gateway_ref IS NOT NULL"),
        sqlite_where=sa.text("gateway_ref IS NOT NULL"),
    )
    op.create_table(
        "routes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("paused_at", Time, nullable=True),
        sa.Column("paused_until", Time, nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=True),
        sa.Column("tokens_at", Time, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_routes")),
    )
    op.create_table(
        "credentials",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("valid_until", Time, nullable=True),
        sa.PrimaryKeyConstraint("name", "slot", name=op.f("pk_credentials")),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("leased_until", Time, nullable=True),
        sa.Column("not_before", Time, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )


def downgrade() -> None:
    for table in ("cursors", "credentials", "routes", "outbound_attempts"):
        op.drop_table(table)
    for name in _INDEXES:
        op.drop_index(f"ix_outbound_messages_{name}", "outbound_messages")
    # Without a batch: copying the table would lose its partial indexes' conditions.
    op.drop_column("outbound_messages", "route")
