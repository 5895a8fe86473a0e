"""What RapidPro's courier orders, and what it is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# As `smsgate.store.types` stood when this was written.
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_INDEXES = {
    "waiting": (["aggregator", "due_at", "seq"], "ended_at IS NULL"),
    "topic": (["topic", "seq"], "ended_at IS NULL"),
    "ended": (["ended_at"], "ended_at IS NOT NULL"),
}


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("reference_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("source", "reference_hash", name=op.f("pk_orders")),
        sa.UniqueConstraint("message_id", name=op.f("uq_orders_message_id")),
    )
    op.create_table(
        "tellings",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("aggregator", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=36), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=True),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("due_at", Time, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("leased_until", Time, nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("ended_at", Time, nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_tellings")),
    )
    for name, (columns, where) in _INDEXES.items():
        op.create_index(
            f"ix_tellings_{name}",
            "tellings",
            columns,
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )


def downgrade() -> None:
    op.drop_table("tellings")
    op.drop_table("orders")
