"""The use case of an order: a text that an aggregator asks us to send becomes a message.

An order is known for ever by whose it is and by their id for it. One that cannot be carried out is
a message that was denied, so that whoever ordered it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from smsgate import outbox
from smsgate.admission import denial_of, recipient_of
from smsgate.aggregators.base import Order
from smsgate.ids import new_order_id
from smsgate.jsontext import storable
from smsgate.message import OutboundMessage, State
from smsgate.programme import Programme
from smsgate.sending import LONGEST_TEXT
from smsgate.store import outbox as store
from smsgate.store import tellings
from smsgate.store.transact import Connection

Row = dict[str, Any]

KIND: Final = "order"
INVALID_NUMBER: Final = "invalid_number"
TOO_LONG: Final = "text_too_long"
_LONGEST_REFERENCE: Final = 200


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order as the rows that are written: what it is known by, and the message."""

    order: Row
    message: Row


def ordered(order: Order, programme: Programme, *, source: str, at: datetime) -> Ordered:
    """What `order` becomes by the rules for any message (`smsgate.sending`)."""
    number = recipient_of(order.recipient, programme)
    if number is None:
        reason: str | None = INVALID_NUMBER
    elif len(order.text) > LONGEST_TEXT:
        reason = TOO_LONG
    else:
        reason = denial_of(number, programme)
    message = OutboundMessage(
        id=new_order_id(),
        recipient=number or order.recipient,
        text=order.text,
        created_at=at,
        due_at=at,
        expires_at=at + programme.expires_after,
        state=State.PENDING if reason is None else State.DENIED,
        details={} if reason is None else {"reason": reason},
        kind=KIND,
        created_by=source,
    )
    reference = storable(order.reference)[:_LONGEST_REFERENCE]
    return Ordered(
        tellings.order(
            source,
            reference,
            content=f"{order.recipient}\0{order.text}",
            message_id=message.id,
            at=at,
        ),
        outbox.row_of(message, most_parts=programme.most_parts),
    )


async def take_in(connection: Connection, found: Sequence[Ordered]) -> tuple[set[str], int]:
    """Put what is new among the orders into the queue.

    Returns:
        The ids of the messages that were made, and how many orders came again with other words.
    """
    if not found:
        return set(), 0
    new, conflicts = await tellings.claim(connection, [one.order for one in found])
    await store.add_messages(connection, [one.message for one in found if one.message["id"] in new])
    return new, conflicts
