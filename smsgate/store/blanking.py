"""Taking content and phone numbers out of rows, as SQL. What is left: state, times, ids, hashes.

The hashes by which a repeat is known stay for ever (decision 7), so that a phone that replays its
log stores nothing a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from smsgate import blanking
from smsgate.store.many import run_many
from smsgate.store.tables import (
    audit,
    idempotency_keys,
    inbound,
    orphan_reports,
    outbound,
    outbound_attempts,
    outbound_history,
    quarantine,
    records,
)
from smsgate.store.transact import Connection

Row = dict[str, Any]


async def raw(connection: Connection, ids: Collection[str]) -> None:
    """Forget what arrived byte for byte."""
    await connection.execute(update(inbound).where(inbound.c.id.in_(list(ids))).values(raw=None))


async def arrivals(connection: Connection, ids: Collection[str]) -> None:
    """Blank inbound messages."""
    await connection.execute(
        update(inbound).where(inbound.c.id.in_(list(ids))).values(sender=None, text=None, raw=None)
    )


async def references(connection: Connection, ids: Collection[str]) -> None:
    """Forget the carriers' ids of inbound messages: those in which a number stands."""
    await connection.execute(
        update(inbound).where(inbound.c.id.in_(list(ids))).values(gateway_ref=None)
    )


_BLANK_RECORD = (
    update(records)
    .where(records.c.id == bindparam("b_id"))
    .values(sender=None, document=bindparam("b_document"), version=records.c.version + 1)
)


async def documents(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Blank records: each row has `id` and `document`."""
    await run_many(
        connection,
        _BLANK_RECORD,
        [{"b_id": row["id"], "b_document": blanking.record(row["document"])} for row in rows],
    )


async def messages(connection: Connection, recipients: Mapping[str, str]) -> None:
    """Blank outbound messages, and what was remarked about them, given whom each was for."""
    ids = sorted(recipients)
    await _remarks(connection, recipients)
    await connection.execute(
        update(outbound)
        .where(outbound.c.id.in_(ids))
        .values(recipient=None, text=None, original_text=None)
    )


async def _remarks(connection: Connection, recipients: Mapping[str, str]) -> None:
    """An aggregator's own words may repeat the number: wherever they are kept."""
    ids = sorted(recipients)
    for table, key, message, columns in (
        (outbound, outbound.c.id, outbound.c.id, ("details",)),
        (outbound_history, outbound_history.c.seq, outbound_history.c.message_id, _TOLD),
        (outbound_attempts, outbound_attempts.c.seq, outbound_attempts.c.message_id, ("status",)),
    ):
        found = await connection.execute(
            select(
                key.label("key"), message.label("message"), *(table.c[c] for c in columns)
            ).where(message.in_(ids))
        )
        for row in found.mappings().all():
            number = recipients[row["message"]]
            changed = {c: blanking.remark(row[c], number) for c in columns}
            if any(changed[c] != row[c] for c in columns):
                await connection.execute(update(table).where(key == row["key"]).values(changed))


_TOLD = ("status", "details")

_BLANK_ANSWER = (
    update(idempotency_keys)
    .where(
        idempotency_keys.c.account == bindparam("b_account"),
        idempotency_keys.c.key_hash == bindparam("b_key"),
    )
    .values(answer=bindparam("b_answer"), blanked=bindparam("b_blanked"))
)


async def answers(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    concerns: Callable[[str], bool] | None = None,
) -> None:
    """Blank kept answers (rows of the table); with `concerns`, only what is for such a number."""
    await run_many(
        connection,
        _BLANK_ANSWER,
        [
            {
                "b_account": row["account"],
                "b_key": row["key_hash"],
                "b_answer": blanking.answer(row["answer"], concerns),
                "b_blanked": concerns is None,
            }
            for row in rows
        ],
    )


async def set_aside(connection: Connection, ids: Collection[str]) -> None:
    """Forget what items of the quarantine were; their hashes stay."""
    await connection.execute(
        update(quarantine).where(quarantine.c.id.in_(list(ids))).values(raw=b"")
    )


async def orphans(connection: Connection, seqs: Collection[int]) -> None:
    """Forget reports on messages that are not known."""
    await connection.execute(delete(orphan_reports).where(orphan_reports.c.seq.in_(list(seqs))))


async def acts(connection: Connection, seqs: Collection[int]) -> None:
    """Delete lines of the audit."""
    await connection.execute(delete(audit).where(audit.c.seq.in_(list(seqs))))
