"""Asking what became of messages: in turn, one process at a time, no more than they like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from smsgate.aggregators.africastalking import AfricasTalking
from smsgate.aggregators.base import (
    Accepted,
    Aggregator,
    Answer,
    Ask,
    Options,
    Outcome,
    Push,
    Refused,
    Report,
    Secret,
)
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.asking import BATCH, Asker, can_be_asked
from smsgate.fakes import faults
from smsgate.fakes.faults import Fault
from smsgate.fakes.service import Service
from smsgate.message import State
from smsgate.outside import Outside
from smsgate.programme import Programmes
from smsgate.store.database import Store
from smsgate.store.tables import outbound
from tests import fake_services
from tests.pushes import Pushing, pushing_to, transport
from tests.store.test_outbox import Do


class Asked(Aggregator):
    """One that takes everything and says what became of it when it is asked."""

    name = "africastalking"  # so that the settings of the other tests fit

    def compose(self, push: Push, _secret: Secret | None, options: Options) -> Ask:
        return Ask("POST", f"{options.route['url']}/{push.recipient[1:]}", body=b"x")

    def interpret(self, _answer: Answer) -> Outcome:
        return Accepted(State.RECEIVED_BY_GATEWAY, "queued", "to be replaced")

    def inquire(self, reference: str, _secret: Secret | None, options: Options) -> Ask | None:
        return Ask("GET", f"{options.route['url']}/{reference}")

    def reported(self, reference: str, answer: Answer) -> Report | Refused | None:
        if answer.status == 429:
            return Refused("throttled", retry=True, after=answer.retry_after)
        if answer.body == b"raise":
            raise RuntimeError("a plugin's fault")
        words = {b"sent": State.SENT, b"delivered": State.DELIVERED}
        word = answer.body.decode()
        return Report(reference, word, words.get(answer.body)) if word else None


@asynccontextmanager
async def asking(
    store: Store, number: int
) -> AsyncIterator[tuple[Pushing, Asker, Asker, Service, list[str]]]:
    """So many messages that were taken, and two processes that ask about them."""
    async with (
        fake_services.rapidpro() as fake,
        pushing_to(store, fake.url, aggregator=Asked(), start=False) as push,
    ):
        ids = await push.enqueue(number)
        change = sa.update(outbound).values(
            state="received-by-gateway",
            route="africastalking",
            gateway_ref=outbound.c.id,
            changed_at=push.clock(),
        )
        await store.write(Do(lambda c: c.execute(change)))
        programmes = Programmes(store, forms_dir=None, clock=push.clock)
        askers = [
            Asker(
                Outside(
                    store,
                    programmes,
                    push.keys,
                    AggregatorRegistry([Asked()]),
                    push.clock,
                    lambda _route: transport(total_seconds=2.0),
                )
            )
            for _ in range(2)
        ]
        yield push, askers[0], askers[1], fake.service, ids


def asked(service: Service) -> list[str]:
    return [request.path[1:] for request in service.requests]


async def test_a_walk_goes_on_where_it_stopped_and_begins_again(store: Store) -> None:
    async with asking(store, BATCH + 5) as (push, one, other, fake, ids):
        fake.rule = lambda _request: faults.Answer(200, b"sent")
        assert await one.step() == BATCH
        assert asked(fake) == ids[:BATCH]
        assert await one.step() == await other.step() == 0  # not within the minute
        push.clock.move(seconds=61)
        assert await other.step() == 5
        assert asked(fake) == ids
        assert {row["state"] for row in await push.rows(ids)} == {"sent"}
        fake.rule = lambda _request: faults.Answer(200, b"delivered")
        for _ in range(2):
            push.clock.move(seconds=61)
            await one.step()
        assert {row["state"] for row in await push.rows(ids)} == {"delivered"}
        push.clock.move(seconds=61)
        assert await one.step() == 0
        assert [state for state, _ in await push.story(ids[0])][-2:] == ["sent", "delivered"]


async def test_they_are_left_alone_for_as_long_as_they_ask(store: Store) -> None:
    async with asking(store, 4) as (push, one, other, fake, ids):
        answers = [faults.Answer(200, b"sent"), faults.throttled(600)]
        fake.rule = lambda _request: answers.pop(0) if answers else faults.Answer(200, b"sent")
        await one.step()
        assert asked(fake) == ids[:2]
        push.clock.move(seconds=590)
        assert await other.step() == 0
        push.clock.move(seconds=11)
        await other.step()
        assert asked(fake) == [*ids[:2], *ids[1:]]


async def test_what_cannot_be_read_holds_up_nobody(store: Store) -> None:
    async with asking(store, 8) as (push, one, _, fake, ids):
        entries: list[Fault | faults.Answer] = [
            Fault("reset"),
            faults.Answer(200, b"raise"),
            faults.Answer(200, b""),
            Fault("hang"),
            Fault("reset"),
            faults.Answer(200, b"sent"),
        ]
        fake.rule = lambda _request: entries.pop(0) if entries else faults.Answer(200, b"sent")
        await one.step()
        for _ in range(3):
            push.clock.move(seconds=61)
            await one.step()
        assert {row["state"] for row in await push.rows(ids)} == {"sent"}


async def test_what_is_old_is_not_asked_about(store: Store) -> None:
    async with asking(store, 2) as (push, one, _, fake, _ids):
        push.clock.move(days=8)
        assert await one.step() == 0
        assert not asked(fake)


def test_who_cannot_be_asked() -> None:
    assert can_be_asked(Asked())
    assert not can_be_asked(AfricasTalking())
