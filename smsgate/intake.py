"""The use case in: a message that arrived becomes a record and the replies it causes.

Pure computation. Whatever goes wrong in it concerns that one message: it comes out as a quarantine
row with its raw form and the reason, and its neighbours go on (DESIGN rule 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from smsgate import log, outbox, wire
from smsgate.clock import from_ms, to_ms
from smsgate.ids import new_id
from smsgate.jsontext import storable, storable_tree, write
from smsgate.message import InboundMessage, OutboundMessage, State
from smsgate.optout import CONFIRMATION, OPTED_OUT, Wish, wish_of
from smsgate.programme import Programme
from smsgate.record import Draft, draft_from_text
from smsgate.relaying import TO
from smsgate.replies import Reply, Withheld, replies_to
from smsgate.store import consent, quarantine
from smsgate.store.inbound import Arrival, content_hash, ref_hash
from smsgate.store.tellings import What, telling

Row = dict[str, Any]

logger = log.get(__name__)


def take_in(message: InboundMessage, programme: Programme) -> Arrival | Row:
    """What `message` becomes: rows to be written together, or a quarantine row."""
    try:
        return _arrival(message, programme)
    except Exception as error:
        logger.error("message quarantined", stage="intake", source=message.source, exc_info=error)
        return set_aside(message, f"intake_failed: {type(error).__name__}")


def take_in_all(
    messages: Iterable[InboundMessage], programme: Programme
) -> tuple[list[InboundMessage], list[Arrival], list[Row]]:
    """What `messages` become.

    Returns:
        Those that can be stored, what each of them becomes, and the quarantine rows of the others.
    """
    kept: list[InboundMessage] = []
    arrivals: list[Arrival] = []
    aside: list[Row] = []
    for message in messages:
        taken = take_in(message, programme)
        if isinstance(taken, Arrival):
            kept.append(message)
            arrivals.append(taken)
        else:
            aside.append(taken)
    return kept, arrivals, aside


def set_aside(message: InboundMessage, reason: str) -> Row:
    """The quarantine row of a message that was read but could not be taken further."""
    return quarantine.item(
        source=message.source,
        gateway=message.gateway,
        reason=reason,
        raw=message.raw or wire.write_message(message),
        at=message.received_at,
    )


def record_row(
    draft: Draft, *, inbound_id: str | None, created_at: Any, altered: bool = True
) -> Row:
    """A draft as the row of `records`; `altered` False spares cleaning what is clean already."""
    document = storable_tree(draft.document) if altered else draft.document
    sender = document.get("from")
    return {
        "id": new_id(),
        "inbound_id": inbound_id,
        "form": document.get("form"),
        "sender": sender if isinstance(sender, str) else None,
        "document": write(document),
        "reported_at": from_ms(document.get("reported_date")),
        "created_at": created_at,
    }


def reply_rows(
    draft: Draft, programme: Programme, *, record_id: str, inbound_id: str | None, at: Any
) -> list[Row]:
    """The replies that `draft` causes, as rows of the outbox; a denied one says why."""
    rows = []
    for said in replies_to(draft, programme.replies):
        reply = said if isinstance(said, Reply) else said.reply
        if reply is None:
            continue
        reason: str | None = said.reason if isinstance(said, Withheld) else None
        if reason is None and programme.opted_out.holds(reply.recipient):
            reason = OPTED_OUT
        rows.append(
            outbox.row_of(
                OutboundMessage(
                    id=new_id(),
                    recipient=reply.recipient,
                    text=reply.text,
                    created_at=at,
                    due_at=at,
                    expires_at=at + programme.expires_after,
                    state=State.PENDING if reason is None else State.DENIED,
                    details={} if reason is None else {"reason": reason},
                    kind=reply.kind,
                    record_id=record_id,
                    inbound_id=inbound_id,
                    created_by="smsgate",
                ),
                most_parts=programme.most_parts,
            )
        )
    return rows


def arrival_of(
    message: InboundMessage, draft: Draft, programme: Programme, *, altered: bool = False
) -> Arrival:
    """A message and its draft as rows: the message, the record, the replies, a wish.

    Args:
        message: the text and where it came from.
        draft: the record it became.
        programme: the settings in force.
        altered: whether the draft holds, beside the message's own, texts that cannot be stored.
    """
    at = message.received_at
    inbound_id = new_id()
    sender, text = storable(message.sender), storable(message.text)
    gateway_ref = storable(message.gateway_ref)
    altered = altered or (
        (sender, text, gateway_ref) != (message.sender, message.text, message.gateway_ref)
    )
    record = record_row(draft, inbound_id=inbound_id, created_at=at, altered=altered)
    inbound = {
        "id": inbound_id,
        "source": message.source,
        "ref_hash": ref_hash(message.gateway_ref),
        "content_hash": content_hash(message.sender, message.text),
        "gateway_ref": gateway_ref,
        "gateway": message.gateway,
        "sender": sender,
        "text": text,
        "raw": (message.raw or wire.write_message(message)) if altered else None,
        "record_id": record["id"],
        "form": record["form"],
        "sender_unknown": None,
        "id_conflict": False,
        "received_at": at,
        "sent_at": message.sent_at,
        "gateway_received_at": message.gateway_received_at,
        "last_seen_at": at,
    }
    wish = _wish(message, draft, programme)
    if wish is not None:
        row, reply = wish
        said = {"record_id": record["id"], "inbound_id": inbound_id}
        stops = row["state"] == Wish.STOP.value
        told = _tellings(message, inbound_id, programme, What.STOPPED if stops else What.CAME_IN)
        return Arrival(inbound, record, [{**outbox.row_of(reply), **said}], row, told)
    replies = reply_rows(draft, programme, record_id=record["id"], inbound_id=inbound_id, at=at)
    is_form = draft.form is not None
    told = _tellings(message, inbound_id, programme, What.CAME_IN, is_form=is_form)
    return Arrival(inbound, record, replies, tellings=told)


def _tellings(
    message: InboundMessage,
    inbound_id: str,
    programme: Programme,
    what: What,
    *,
    is_form: bool = False,
) -> Sequence[Row]:
    if not programme.relay.wants(message.source, is_form=is_form):
        return ()
    return (telling(TO, what, inbound_id, at=message.received_at),)


def _wish(
    message: InboundMessage, draft: Draft, programme: Programme
) -> tuple[Row, OutboundMessage] | None:
    """What a sender asks for of all further messages, and the text that confirms it.

    A form whose code is such a word is a form; who never opted out and writes the other word said
    something else with it; and whom a rule denies is not answered, so cannot be told.
    """
    meant = wish_of(message.text) if programme.queue.consent_words else None
    number = draft.document.get("from")
    if meant is None or draft.form is not None or not isinstance(number, str) or not number:
        return None
    wish, language = meant
    if wish is Wish.START and not programme.opted_out.holds(number):
        return None
    rules = programme.replies
    denial = rules.deny.denial(sender=number, recipient=number)
    # "Stop" is understood everywhere; any other word says in which language to answer.
    locale = rules.locale_for(draft.document) if language == "en" else language
    at = message.received_at
    key = "smsgate.reply.stopped" if wish is Wish.STOP else "smsgate.reply.started"
    reply = OutboundMessage(
        id=new_id(),
        recipient=number,
        text=rules.catalogue.say(key, locale),
        created_at=at,
        due_at=at,
        expires_at=at + programme.expires_after,
        state=State.PENDING if denial is None else State.DENIED,
        details={} if denial is None else {"reason": denial.value},
        kind=CONFIRMATION,
        created_by="smsgate",
    )
    return consent.wish_row(storable(number), wish, source=message.source, at=at), reply


def _arrival(message: InboundMessage, programme: Programme) -> Arrival:
    draft = draft_from_text(
        message.text,
        sender=message.sender,
        rules=programme.reading,
        gateway_ref=message.gateway_ref,
        received_ms=to_ms(message.received_at),
    )
    return arrival_of(message, draft, programme)
