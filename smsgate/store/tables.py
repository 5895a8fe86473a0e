"""The tables, as SQLAlchemy Core sees them. How they came to be is in `migrations/`.

Conventions: ids are UUIDv7 text and sort by age; `*_at` is an aware UTC time; documents are JSON
text, because key order means something in them (field order of a form) and `jsonb` loses it;
hashes are raw SHA-256. An index serves a query that is named beside it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from smsgate.store.types import UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(36)
# SQLite only counts up by itself on INTEGER, PostgreSQL wants the larger type.
Serial = BigInteger().with_variant(Integer, "sqlite")

inbound = Table(
    "inbound_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("ref_hash", LargeBinary(32), nullable=False),
    Column("content_hash", LargeBinary(32), nullable=False),
    Column("gateway_ref", Text),
    Column("gateway", Text, nullable=False),
    Column("sender", Text),
    Column("text", Text),
    # What arrived byte for byte, kept only where `text` or `sender` could not hold it as it was.
    Column("raw", LargeBinary),
    # What it became. No foreign key: the two rows are written together, the record second.
    Column("record_id", Id),
    Column("form", Text),
    Column("sender_unknown", Boolean),
    Column("id_conflict", Boolean, nullable=False, server_default=text("false")),
    Column("seen_count", Integer, nullable=False, server_default=text("1")),
    Column("received_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    Column("gateway_received_at", UtcTime),
    Column("last_seen_at", UtcTime, nullable=False),
    # Identity for ever, also after the content is purged (decision 7).
    UniqueConstraint("source", "ref_hash", "content_hash"),
    # The alert on ids used twice.
    Index(
        "ix_inbound_messages_conflicts",
        "received_at",
        postgresql_where=text("id_conflict"),
        sqlite_where=text("id_conflict"),
    ),
    # Retention: what arrived byte for byte, which few rows have.
    Index(
        "ix_inbound_messages_raw",
        "received_at",
        postgresql_where=text("raw IS NOT NULL"),
        sqlite_where=text("raw IS NOT NULL"),
    ),
)

records = Table(
    "records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("inbound_id", Id, ForeignKey("inbound_messages.id")),
    Column("form", Text),
    Column("sender", Text),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("document", Text, nullable=False),
    Column("reported_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
)

# Conditions of indexes. Without lists: for a list of three SQLite makes a small table in memory
# whenever it writes a row. A query that is to go along such an index says it in the same words.
ENDED = "state <> 'scheduled' AND state <> 'pending' AND state <> 'forwarded-to-gateway'"
POLLED = (
    "gateway_ref IS NOT NULL AND (state = 'received-by-gateway'"
    " OR state = 'forwarded-by-gateway' OR state = 'sent')"
)
_LEGIBLE = f"recipient IS NOT NULL AND {ENDED}"

outbound = Table(
    "outbound_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("record_id", Id, ForeignKey("records.id")),
    Column("inbound_id", Id, ForeignKey("inbound_messages.id")),
    Column("recipient", Text),
    Column("text", Text),
    # The whole text, where `text` was cut to the most parts a message may have.
    Column("original_text", Text),
    Column("kind", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("details", Text),
    # Minus the priority, so that an ascending index puts first what matters most.
    Column("rank", Integer, nullable=False, server_default=text("0")),
    Column("gateway", Text),  # the account it is pinned to, if any
    # Which way out it was handed (a route's name), and the aggregator's id for it.
    Column("route", String(64)),
    Column("gateway_ref", Text),
    Column("lease_owner", Text),
    Column("leased_until", UtcTime),
    # How often it was handed to a phone, how often one took it over from another that kept silent,
    # and how often a person or a rule opened a new attempt.
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("taken_over", Integer, nullable=False, server_default=text("0")),
    Column("retries", Integer, nullable=False, server_default=text("0")),
    Column("segments", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    # True: whoever sent it said until when; False: its time to live begins when it becomes pending.
    Column("expires_fixed", Boolean, nullable=False, server_default=text("false")),
    Column("changed_at", UtcTime, nullable=False),
    Index(None, "record_id"),  # a record's tasks
    # Offer: what was never offered, best first.
    Index(
        "ix_outbound_messages_waiting",
        "rank",
        "due_at",
        "id",
        postgresql_where=text("state = 'pending'"),
        sqlite_where=text("state = 'pending'"),
    ),
    # Offer again: what this account holds unacknowledged.
    Index(
        "ix_outbound_messages_held",
        "lease_owner",
        "leased_until",
        "id",
        postgresql_where=text("state = 'forwarded-to-gateway'"),
        sqlite_where=text("state = 'forwarded-to-gateway'"),
    ),
    # Take over: what another account let lapse.
    Index(
        "ix_outbound_messages_lapsed",
        "leased_until",
        "id",
        postgresql_where=text("state = 'forwarded-to-gateway'"),
        sqlite_where=text("state = 'forwarded-to-gateway'"),
    ),
    # The due-time loop.
    Index(
        "ix_outbound_messages_scheduled",
        "due_at",
        postgresql_where=text("state = 'scheduled'"),
        sqlite_where=text("state = 'scheduled'"),
    ),
    # The expiry sweep.
    Index(
        "ix_outbound_messages_expiring",
        "expires_at",
        postgresql_where=text("state IN ('pending', 'forwarded-to-gateway')"),
        sqlite_where=text("state IN ('pending', 'forwarded-to-gateway')"),
    ),
    # Figures: what became of messages. States that come before have indexes of their own, so that
    # taking a message in and handing it over does not touch this one.
    Index(
        "ix_outbound_messages_settled",
        "state",
        "changed_at",
        "due_at",
        postgresql_where=text(ENDED),
        sqlite_where=text(ENDED),
    ),
    # Figures: what waits for one phone alone.
    Index(
        "ix_outbound_messages_pinned",
        "gateway",
        "due_at",
        postgresql_where=text("state = 'pending' AND gateway IS NOT NULL"),
        sqlite_where=text("state = 'pending' AND gateway IS NOT NULL"),
    ),
    # Retry by rule: failures that are not too old to be sent.
    Index(
        "ix_outbound_messages_failed",
        "expires_at",
        postgresql_where=text("state = 'failed'"),
        sqlite_where=text("state = 'failed'"),
    ),
    # Reports: which message an aggregator's id stands for. Phones have no part in this one.
    Index(
        "ix_outbound_messages_reference",
        "route",
        "gateway_ref",
        postgresql_where=text("gateway_ref IS NOT NULL"),
        sqlite_where=text("gateway_ref IS NOT NULL"),
    ),
    # Polling an aggregator for what became of messages.
    Index(
        "ix_outbound_messages_polled",
        "route",
        "id",
        postgresql_where=text(POLLED),
        sqlite_where=text(POLLED),
    ),
    # Pushes whose worker never said how they ended.
    Index(
        "ix_outbound_messages_pushed",
        "leased_until",
        "id",
        postgresql_where=text("state = 'pending' AND lease_owner IS NOT NULL"),
        sqlite_where=text("state = 'pending' AND lease_owner IS NOT NULL"),
    ),
    # Pushes of unknown outcome, for the rule that decides about them.
    Index(
        "ix_outbound_messages_unknown",
        "changed_at",
        "id",
        postgresql_where=text("state = 'unknown'"),
        sqlite_where=text("state = 'unknown'"),
    ),
    # Retention: what came to an end and still says what it was.
    Index(
        "ix_outbound_messages_legible",
        "changed_at",
        postgresql_where=text(_LEGIBLE),
        sqlite_where=text(_LEGIBLE),
    ),
)

# Each time a message was handed to an aggregator. Written before the first byte leaves, so that an
# attempt without an outcome says: it may have been sent.
outbound_attempts = Table(
    "outbound_attempts",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("message_id", Id, ForeignKey("outbound_messages.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("route", String(64), nullable=False),
    Column("worker", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("outcome", String(16)),  # ok, refused, retry, unknown; null while it is under way
    Column("status", Text),
    Column("gateway_ref", Text),
    Column("cost", Text),
    Column("parts", Integer),
    # The fencing number: an outcome of an attempt that is not the message's last is refused.
    UniqueConstraint("message_id", "number"),
    # Reports on an attempt before the last one.
    Index(
        "ix_outbound_attempts_reference",
        "route",
        "gateway_ref",
        postgresql_where=text("gateway_ref IS NOT NULL"),
        sqlite_where=text("gateway_ref IS NOT NULL"),
    ),
)

# Ways out: whether one is paused and why, and what is left of its rate. One row a route.
routes = Table(
    "routes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("paused_at", UtcTime),
    Column("paused_until", UtcTime),  # null while paused: until a person resumes it
    Column("paused_by", Text),
    Column("reason", Text),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("tokens", Float),
    Column("tokens_at", UtcTime),
)

# Secrets of aggregators, sealed with a key that is not in the database (AES-256-GCM). Slot 0 is
# the one in use; slot 1 the one before it, while a rotation lasts.
credentials = Table(
    "credentials",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("key_id", String(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("valid_until", UtcTime),
)

# How far walks over many messages have come, and whose turn it is.
cursors = Table(
    "cursors",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("place", Text),
    Column("owner", Text),
    Column("leased_until", UtcTime),
    Column("not_before", UtcTime),
)

outbound_history = Table(
    "outbound_history",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("message_id", Id, ForeignKey("outbound_messages.id"), nullable=False),
    Column("state", String(32), nullable=False),
    # False: a late, lower or unknown report, kept and not applied.
    Column("applied", Boolean, nullable=False),
    Column("status", Text),
    Column("details", Text),
    Column("gateway", Text),
    Column("at", UtcTime, nullable=False),
    Index(None, "message_id"),  # a message's story
)

orphan_reports = Table(
    "orphan_reports",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("source", String(64), nullable=False),
    Column("reference_hash", LargeBinary(32), nullable=False),
    Column("reference", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("gateway", Text, nullable=False),
    Column("seen_count", Integer, nullable=False, server_default=text("1")),
    Column("received_at", UtcTime, nullable=False),
    # One row a (reference, word): a phone repeats its reports until it hears back.
    UniqueConstraint("source", "reference_hash", "status"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("raw_hash", LargeBinary(32), nullable=False),
    Column("seen_count", Integer, nullable=False, server_default=text("1")),
    Column("received_at", UtcTime, nullable=False),
    Column("status", String(16), nullable=False, server_default=text("'waiting'")),
    Column("resolved_at", UtcTime),
    Column("resolved_by", Text),
    Column("resolution", Text),
    Column("inbound_id", Id, ForeignKey("inbound_messages.id")),
    UniqueConstraint("source", "raw_hash"),
    # The list of what waits.
    Index(
        "ix_quarantine_waiting",
        "id",
        postgresql_where=text("status = 'waiting'"),
        sqlite_where=text("status = 'waiting'"),
    ),
    # Retention: what was decided about and is still there.
    Index(
        "ix_quarantine_decided",
        "resolved_at",
        postgresql_where=text("resolved_at IS NOT NULL AND length(raw) > 0"),
        sqlite_where=text("resolved_at IS NOT NULL AND length(raw) > 0"),
    ),
)

settings_versions = Table(
    "settings_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("updated_by", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
)

# When a phone was last heard of; written at most once a minute (`smsgate.heartbeat`).
gateways = Table(
    "gateways",
    metadata,
    Column("account", String(256), primary_key=True),
    Column("last_poll_at", UtcTime, nullable=False),
    Column("app_version", String(64)),
    Column("address", String(64)),
    # JSON list of times (epoch milliseconds) at which it changed, the last few.
    Column("address_changes", Text, nullable=False, server_default=text("'[]'")),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", Text),
    Column("details", Text),
)

# When something that is done now and then was last done (`smsgate.store.milestones`). `details` is
# a JSON object.
milestones = Table(
    "milestones",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("details", Text),
)

# Counts up with every change of what processes hold in memory (`settings`, `users`): a reader
# compares it instead of reading the whole.
revisions = Table(
    "revisions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account", String(256), primary_key=True),
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("body_hash", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # Whether retention took the numbers and texts out of the answer.
    Column("blanked", Boolean, nullable=False, server_default=text("false")),
    # Retention.
    Index(
        "ix_idempotency_keys_legible",
        "created_at",
        postgresql_where=text("NOT blanked"),
        sqlite_where=text("NOT blanked"),
    ),
)

# Who asked for no more messages, and who took that back. `version` is the change counter's value
# when the row was written: a process that knows the list up to some version reads what came since.
consent = Table(
    "consent",
    metadata,
    Column("recipient_hash", LargeBinary(32), primary_key=True),
    Column("number", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index(None, "version"),  # what changed
)

# How often the same was sent of late: the duplicate limit and the loop breaker count here. Rows
# whose window is over are swept away, so the table stays as small as half an hour's traffic.
repeats = Table(
    "repeats",
    metadata,
    Column("key_hash", LargeBinary(32), primary_key=True),
    # True: each repeat moves the end of the window; False: the window ends when it ends.
    Column("sliding", Boolean, nullable=False),
    Column("count", Integer, nullable=False),
    Column("counted_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Index(None, "ends_at"),  # the sweep
)

# Parts handed to a phone, by five minutes: what is left of its hour. Only for phones with a limit.
phone_usage = Table(
    "phone_usage",
    metadata,
    Column("account", String(256), primary_key=True),
    Column("slot", UtcTime, primary_key=True),
    Column("segments", Integer, nullable=False),
)

# What aggregators ordered of us, for ever: the same order again is the same message. The message's
# id says by itself that there is a row here (`smsgate.ids.is_order`).
orders = Table(
    "orders",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("reference_hash", LargeBinary(32), primary_key=True),
    Column("reference", Text, nullable=False),
    Column("content_hash", LargeBinary(32), nullable=False),
    # No foreign key: the two rows are written together, the message second.
    Column("message_id", Id, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("message_id"),
)

# What an aggregator is still to be told. `topic` is the message that it is about, ours or theirs:
# what is about one message is told in the order of `seq`. What was told is deleted; what they
# refused to hear stays for a while, with `ended_at`.
tellings = Table(
    "tellings",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("aggregator", String(64), nullable=False),
    Column("topic", Id, nullable=False),
    Column("what", String(16), nullable=False),
    Column("state", String(32)),
    Column("created_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("owner", Text),
    Column("leased_until", UtcTime),
    Column("status", Text),
    Column("ended_at", UtcTime),
    # The claim, and when time will next bring something.
    Index(
        "ix_tellings_waiting",
        "aggregator",
        "due_at",
        "seq",
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
    # Whether something about the same message comes first.
    Index(
        "ix_tellings_topic",
        "topic",
        "seq",
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
    # Sweeping away what was refused long ago.
    Index(
        "ix_tellings_ended",
        "ended_at",
        postgresql_where=text("ended_at IS NOT NULL"),
        sqlite_where=text("ended_at IS NOT NULL"),
    ),
)
