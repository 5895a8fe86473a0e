"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As `smsgate.store.types.UtcTime` stood when this was written.
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account", sa.String(length=256), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("account", "key_hash", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "inbound_messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("ref_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("gateway_ref", sa.Text(), nullable=True),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("record_id", sa.String(length=36), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("sender_unknown", sa.Boolean(), nullable=True),
        sa.Column("id_conflict", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen_count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.Column("sent_at", Time, nullable=True),
        sa.Column("gateway_received_at", Time, nullable=True),
        sa.Column("last_seen_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_messages")),
        sa.UniqueConstraint(
            "source",
            "ref_hash",
            "content_hash",
            name=op.f("uq_inbound_messages_source_ref_hash_content_hash"),
        ),
    )
    op.create_table(
        "orphan_reports",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("reference_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("seen_count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_orphan_reports")),
        sa.UniqueConstraint(
            "source",
            "reference_hash",
            "status",
            name=op.f("uq_orphan_reports_source_reference_hash_status"),
        ),
    )
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "settings_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_settings_versions")),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("changed_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("raw_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("seen_count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.Column(
            "status", sa.String(length=16), server_default=sa.text("'waiting'"), nullable=False
        ),
        sa.Column("resolved_at", Time, nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("inbound_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["inbound_id"],
            ["inbound_messages.id"],
            name=op.f("fk_quarantine_inbound_id_inbound_messages"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("source", "raw_hash", name=op.f("uq_quarantine_source_raw_hash")),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.create_index(
            "ix_quarantine_waiting",
            ["id"],
            unique=False,
            postgresql_where=sa.text("status = 'waiting'"),
            sqlite_where=sa.text("status = 'waiting'"),
        )

    op.create_table(
        "records",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("inbound_id", sa.String(length=36), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("reported_at", Time, nullable=True),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_id"],
            ["inbound_messages.id"],
            name=op.f("fk_records_inbound_id_inbound_messages"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
    )
    op.create_table(
        "outbound_messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=True),
        sa.Column("inbound_id", sa.String(length=36), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("rank", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=True),
        sa.Column("gateway_ref", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("leased_until", Time, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("due_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.Column("changed_at", Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_id"],
            ["inbound_messages.id"],
            name=op.f("fk_outbound_messages_inbound_id_inbound_messages"),
        ),
        sa.ForeignKeyConstraint(
            ["record_id"], ["records.id"], name=op.f("fk_outbound_messages_record_id_records")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_messages")),
    )
    with op.batch_alter_table("outbound_messages", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbound_messages_expiring",
            ["expires_at"],
            unique=False,
            postgresql_where=sa.text("state IN ('pending', 'forwarded-to-gateway')"),
            sqlite_where=sa.text("state IN ('pending', 'forwarded-to-gateway')"),
        )
        batch_op.create_index(
            "ix_outbound_messages_held",
            ["lease_owner", "leased_until", "id"],
            unique=False,
            postgresql_where=sa.text("state = 'forwarded-to-gateway'"),
            sqlite_where=sa.text("state = 'forwarded-to-gateway'"),
        )
        batch_op.create_index(
            "ix_outbound_messages_lapsed",
            ["leased_until", "id"],
            unique=False,
            postgresql_where=sa.text("state = 'forwarded-to-gateway'"),
            sqlite_where=sa.text("state = 'forwarded-to-gateway'"),
        )
        batch_op.create_index(
            batch_op.f("ix_outbound_messages_record_id"), ["record_id"], unique=False
        )
        batch_op.create_index(
            "ix_outbound_messages_scheduled",
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("state = 'scheduled'"),
            sqlite_where=sa.text("state = 'scheduled'"),
        )
        batch_op.create_index(
            "ix_outbound_messages_waiting",
            ["rank", "due_at", "id"],
            unique=False,
            postgresql_where=sa.text("state = 'pending'"),
            sqlite_where=sa.text("state = 'pending'"),
        )

    op.create_table(
        "outbound_history",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("gateway", sa.Text(), nullable=True),
        sa.Column("at", Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["outbound_messages.id"],
            name=op.f("fk_outbound_history_message_id_outbound_messages"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbound_history")),
    )
    with op.batch_alter_table("outbound_history", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbound_history_message_id"), ["message_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("outbound_history", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbound_history_message_id"))

    op.drop_table("outbound_history")
    with op.batch_alter_table("outbound_messages", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbound_messages_waiting",
            postgresql_where=sa.text("state = 'pending'"),
            sqlite_where=sa.text("state = 'pending'"),
        )
        batch_op.drop_index(
            "ix_outbound_messages_scheduled",
            postgresql_where=sa.text("state = 'scheduled'"),
            sqlite_where=sa.text("state = 'scheduled'"),
        )
        batch_op.drop_index(batch_op.f("ix_outbound_messages_record_id"))
        batch_op.drop_index(
            "ix_outbound_messages_lapsed",
            postgresql_where=sa.text("state = 'forwarded-to-gateway'"),
            sqlite_where=sa.text("state = 'forwarded-to-gateway'"),
        )
        batch_op.drop_index(
            "ix_outbound_messages_held",
            postgresql_where=sa.text("state = 'forwarded-to-gateway'"),
            sqlite_where=sa.text("state = 'forwarded-to-gateway'"),
        )
        batch_op.drop_index(
            "ix_outbound_messages_expiring",
            postgresql_where=sa.text("state IN ('pending', 'forwarded-to-gateway')"),
            sqlite_where=sa.text("state IN ('pending', 'forwarded-to-gateway')"),
        )

    op.drop_table("outbound_messages")
    op.drop_table("records")
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_quarantine_waiting",
            postgresql_where=sa.text("status = 'waiting'"),
            sqlite_where=sa.text("status = 'waiting'"),
        )

    op.drop_table("quarantine")
    op.drop_table("users")
    op.drop_table("settings_versions")
    op.drop_table("revisions")
    op.drop_table("orphan_reports")
    op.drop_table("inbound_messages")
    op.drop_table("idempotency_keys")
    op.drop_table("audit")
