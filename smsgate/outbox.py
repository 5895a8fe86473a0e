"""Outbound messages as rows: what is stored of one, and what its history says of each step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from smsgate import segments
from smsgate.jsontext import storable
from smsgate.message import OutboundMessage, State
from smsgate.store import outbox as store
from smsgate.store.transact import Connection
from smsgate.tally import note_moved

Row = dict[str, Any]


def row_of(message: OutboundMessage, *, most_parts: int = segments.MOST_PARTS) -> Row:
    """An outbound message as the row that is stored.

    A text of more than `most_parts` parts is cut, and kept whole beside (protocol section 7.5).
    """
    whole = storable(message.text)
    text = segments.truncate(whole, most_parts)
    return {
        "id": message.id,
        "record_id": message.record_id,
        "inbound_id": message.inbound_id,
        "recipient": storable(message.recipient),
        "text": text,
        "original_text": None if text == whole else whole,
        "kind": str(message.kind),
        "state": message.state.value,
        "details": json.dumps(message.details) if message.details else None,
        "rank": -message.priority,
        "gateway": message.gateway,
        "segments": segments.count(text).segments,
        "created_by": message.created_by,
        "created_at": message.created_at,
        "due_at": message.due_at,
        "expires_at": message.expires_at,
        "expires_fixed": message.expires_fixed,
        "changed_at": message.created_at,
    }


def entry(
    message_id: str,
    state: str,
    details: Mapping[str, Any] | None,
    gateway: str | None,
    at: datetime,
    status: str | None = None,
) -> Row:
    """One step of a message's history."""
    return {
        "message_id": message_id,
        "state": str(state),
        "applied": True,
        "status": status,
        "details": json.dumps(details) if details else None,
        "gateway": gateway,
        "at": at,
    }


# How a phone is told of a new attempt. The app on it never sends an id twice, it only repeats what
# became of it; so the second attempt goes by `<id>.1`, the third by `<id>.2`. The message's own id
# stays what it is, and wherever an id is asked for, either form will do.
_ATTEMPT = re.compile(r"(?P<id>[^.]{1,64})\.(?P<attempt>[1-9][0-9]{0,5})")


def wire_id(message_id: str, retries: int) -> str:
    """The id by which a phone knows the present attempt."""
    return f"{message_id}.{retries}" if retries else message_id


def attempt_of(reference: str) -> tuple[str, int]:
    """The message and the attempt (0 is the first) that a phone's id stands for."""
    read = _ATTEMPT.fullmatch(reference)
    return (read["id"], int(read["attempt"])) if read else (reference, 0)


async def end(
    connection: Connection, rows: Sequence[tuple[Mapping[str, Any], State, str]], now: datetime
) -> None:
    """End messages without sending them: each with the state it ends in and the reason.

    A row without `state` is one that waits.
    """
    await store.move(
        connection,
        [
            {
                "b_id": row["id"],
                "b_state": state.value,
                "b_details": json.dumps({"reason": reason}),
                "b_at": now,
            }
            for row, state, reason in rows
        ],
    )
    await store.add_history(
        connection,
        [entry(row["id"], state, {"reason": reason}, None, now) for row, state, reason in rows],
    )
    note_moved([(row.get("state", State.PENDING.value), state.value) for row, state, _ in rows])
