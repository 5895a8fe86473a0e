"""Conditions of indexes that SQLite tests without making a table of a list each time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LISTED = "state NOT IN ('scheduled', 'pending', 'forwarded-to-gateway')"
_SPELLED = "state <> 'scheduled' AND state <> 'pending' AND state <> 'forwarded-to-gateway'"
_ANY_LISTED = "state IN ('received-by-gateway', 'forwarded-by-gateway', 'sent')"
_ANY_SPELLED = "(state = 'received-by-gateway' OR state = 'forwarded-by-gateway' OR state = 'sent')"
_INDEXES = {
    "settled": (["state", "changed_at", "due_at"], _LISTED, _SPELLED),
    "legible": (
        ["changed_at"],
        f"recipient IS NOT NULL AND {_LISTED}",
        f"recipient IS NOT NULL AND {_SPELLED}",
    ),
    "polled": (
        ["route", "id"],
        f"gateway_ref IS NOT NULL AND {_ANY_LISTED}",
        f"gateway_ref IS NOT NULL AND {_ANY_SPELLED}",
    ),
}


def upgrade() -> None:
    for name, (columns, _, where) in _INDEXES.items():
        _replace(f"ix_outbound_messages_{name}", columns, where)


def downgrade() -> None:
    for name, (columns, where, _) in _INDEXES.items():
        _replace(f"ix_outbound_messages_{name}", columns, where)


def _replace(name: str, columns: list[str], where: str) -> None:
    op.drop_index(name, "outbound_messages")
    op.create_index(
        name,
        "outbound_messages",
        columns,
        postgresql_where=sa.text(where),
        sqlite_where=sa.text(where),
    )
