"""The queue: new attempts, take-overs, consent, repeats, and what a phone may carry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# As `smsgate.store.types.UtcTime` stood when this was written.
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    for name in ("taken_over", "retries"):
        op.add_column(
            "outbound_messages",
            sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False),
        )
    op.add_column(
        "outbound_messages",
        sa.Column("expires_fixed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_outbound_messages_failed",
        "outbound_messages",
        ["expires_at"],
        postgresql_where=sa.text("state = 'failed'"),
        sqlite_where=sa.text("state = 'failed'"),
    )
    op.create_table(
        "consent",
        sa.Column("recipient_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", Time, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recipient_hash", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_version"), "consent", ["version"])
    op.create_table(
        "repeats",
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sliding", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("counted_at", Time, nullable=False),
        sa.Column("ends_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_repeats")),
    )
    op.create_index(op.f("ix_repeats_ends_at"), "repeats", ["ends_at"])
    op.create_table(
        "phone_usage",
        sa.Column("account", sa.String(length=256), nullable=False),
        sa.Column("slot", Time, nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "slot", name=op.f("pk_phone_usage")),
    )


def downgrade() -> None:
    op.drop_table("phone_usage")
    op.drop_table("repeats")
    op.drop_table("consent")
    op.drop_index("ix_outbound_messages_failed", "outbound_messages")
    # Without a batch: copying the table would lose its partial indexes' conditions.
    op.drop_column("outbound_messages", "expires_fixed")
    op.drop_column("outbound_messages", "retries")
    op.drop_column("outbound_messages", "taken_over")
