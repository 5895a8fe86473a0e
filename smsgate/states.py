"""The state machine of outbound messages: every move there is, in one table (decision 14).

```
scheduled < pending < forwarded-to-gateway < received-by-gateway < forwarded-by-gateway
          < sent < delivered
```
A report moves a message forward along that line or to `failed`. `failed`, `denied`, `duplicate`,
`muted`, `cleared` and `expired` are ends; `unknown` waits for proof. `sent` and `delivered` are
proof that it left, so they may follow `failed`, `expired` and `unknown`. Nothing follows
`delivered`. What may not move a message is kept in its history all the same.
"""

from __future__ import annotations

from enum import StrEnum

from smsgate.message import State

LINE = (
    State.SCHEDULED,
    State.PENDING,
    State.FORWARDED_TO_GATEWAY,
    State.RECEIVED_BY_GATEWAY,
    State.FORWARDED_BY_GATEWAY,
    State.SENT,
    State.DELIVERED,
)
PROOF = frozenset({State.SENT, State.DELIVERED})
WAITING = frozenset({State.SCHEDULED, State.PENDING, State.MUTED})
REOPENS = frozenset(
    {
        State.FAILED,
        State.EXPIRED,
        State.UNKNOWN,
        State.DENIED,
        State.DUPLICATE,
        State.CLEARED,
    }
)

# By report of a phone or an aggregator.
REPORTED: dict[State, frozenset[State]] = {
    state: frozenset(LINE[place + 1 :]) | {State.FAILED, State.DENIED, State.UNKNOWN}
    for place, state in enumerate(LINE[:-1])
} | {
    State.SENT: frozenset({State.DELIVERED, State.FAILED}),
    State.FAILED: PROOF,
    State.EXPIRED: PROOF,
    State.UNKNOWN: PROOF | {State.FAILED},
    State.DELIVERED: frozenset(),
    State.DENIED: frozenset(),
    State.DUPLICATE: frozenset(),
    State.MUTED: frozenset(),
    State.CLEARED: frozenset(),
}

# By smsgate itself: time passing, a hand-over, a recipient who opted out, the answer to a hand-over
# that came too late to be waited for.
OWN: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.PENDING, State.EXPIRED, State.DENIED}),
    State.PENDING: frozenset({State.FORWARDED_TO_GATEWAY, State.EXPIRED, State.DENIED}),
    State.FORWARDED_TO_GATEWAY: frozenset({State.EXPIRED}),
    State.UNKNOWN: frozenset(LINE[3:]) | {State.PENDING, State.FAILED, State.DENIED},
}


class Order(StrEnum):
    """What a person or a rule may ask of a message."""

    RETRY = "retry"  # open a new attempt
    CANCEL = "cancel"  # do not send it
    MUTE = "mute"  # hold it back
    UNMUTE = "unmute"  # let it go on


# From which states an order is obeyed, and where it leads. What a phone may have already cannot be
# called back: only what waits is cancelled.
ORDERS: dict[Order, tuple[frozenset[State], State]] = {
    Order.RETRY: (REOPENS, State.PENDING),
    Order.CANCEL: (WAITING, State.CLEARED),
    Order.MUTE: (frozenset({State.SCHEDULED, State.PENDING}), State.MUTED),
    Order.UNMUTE: (frozenset({State.MUTED}), State.SCHEDULED),
}

# By a person or a rule, recorded as such.
ASKED: dict[State, frozenset[State]] = {
    state: frozenset(to for sources, to in ORDERS.values() if state in sources) for state in State
}


def may_follow(before: State, after: State) -> bool:
    """Whether any report, passing of time or order leads from `before` to `after`."""
    return after in REPORTED[before] | OWN.get(before, frozenset()) | ASKED[before]


def may_settle(current: State, answered: State) -> bool:
    """Whether an aggregator's answer to the last hand-over moves a message that is `current`."""
    return answered in REPORTED[current] | OWN.get(current, frozenset())


def may_report(current: State, reported: State) -> bool:
    """Whether a report of `reported` moves a message that is `current`."""
    return reported in REPORTED[current]


def may_report_late(reported: State) -> bool:
    """Whether a report on a former attempt, which was given up, moves the message.

    Only proof that the text left does: then the new attempt is not needed any more. That the old
    attempt failed is known already, and says nothing of the new one.
    """
    return reported in PROOF
