"""What may have left: waits for a report, then follows the rule; late outcomes; reports first."""

from __future__ import annotations

import asyncio

from smsgate.aggregators.africastalking import AfricasTalking
from smsgate.aggregators.base import Report
from smsgate.claiming import Claim, Claims
from smsgate.fakes.faults import Answer, Fault
from smsgate.message import State
from smsgate.offering import Terms
from smsgate.pushing import GiveBack, Lapse, SendAgain, Settle
from smsgate.reporting import Said, take
from smsgate.store.database import Store
from smsgate.verdict import End, Verdict
from tests import fake_services, make
from tests.pushes import ROUTE, Pushing, a_route, pushing_to
from tests.store.test_outbox import Do, settle

UP = Verdict(End.OK, State.SENT, "Sent", reference="AT1")


async def claim(push: Pushing, worker: str, room: int = 10) -> Claims:
    return await push.store.write(Claim(a_route(), worker, room, 0, push.clock(), Terms()))


async def heard(push: Pushing, reference: str, status: str) -> None:
    report = Report(reference, status, AfricasTalking().meaning(status))
    said = [Said(report, push.clock())]
    await push.store.write(Do(lambda c: take(c, said, source=ROUTE, routes=[ROUTE])))


async def test_by_rule_it_is_sent_again_and_said_to_be_a_possible_duplicate(store: Store) -> None:
    async with (
        fake_services.africastalking() as fake,
        pushing_to(store, fake.url, unknown="retry", unknown_minutes=15) as push,
    ):
        fake.service.script.append(Fault("reset"))
        (id_,) = await push.enqueue()
        await push.until_state(id_, "unknown")
        push.clock.move(minutes=14)
        push.dispatcher.wake()
        (other,) = await push.enqueue(recipient="+254722000000")
        await push.until_state(other, "sent")
        assert (await push.row(id_))["state"] == "unknown"
        push.clock.move(minutes=2)
        row = await push.until_state(id_, "sent")
        assert (row["attempts"], row["taken_over"], row["retries"]) == (2, 1, 0)
        assert await push.attempts(id_) == [("unknown", "connection_lost"), ("ok", "Sent")]
        message = (row["recipient"], row["text"])
        assert fake.service.taken[message] == fake.service.tries[message] == 2


async def test_held_it_stays_until_proof_comes(store: Store) -> None:
    async with (
        fake_services.africastalking() as fake,
        pushing_to(store, fake.url, total_seconds=2.0) as push,
    ):
        fake.service.script.append(Fault("hang"))
        (id_,) = await push.enqueue()
        await push.until_state(id_, "unknown")
        push.clock.move(hours=5)
        (other,) = await push.enqueue(recipient="+254722000000")
        await push.until_state(other, "sent")
        assert (await push.row(id_))["state"] == "unknown"
        assert await push.attempts(id_) == [("unknown", "timeout")]
        await settle(store, make.report(id_, "DELIVERED"))
        assert (await push.row(id_))["state"] == "delivered"


async def test_a_report_that_is_faster_than_the_answer_attaches(store: Store) -> None:
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url) as push:
        fake.service.gate = asyncio.Event()
        (id_,) = await push.enqueue()
        await fake.service.until(lambda: bool(fake.service.texted))
        (reference,) = fake.service.texted
        await heard(push, reference, "Success")
        assert (await push.row(id_))["state"] == "pending"
        fake.service.gate.set()
        await push.until_state(id_, "delivered")
        assert [state for state, _ in await push.story(id_)] == ["pending", "sent", "delivered"]
        await heard(push, reference, "Success")
        await heard(push, reference, "Submitted")
        assert (await push.row(id_))["state"] == "delivered"


async def test_a_lapsed_push_is_unknown_and_its_own_late_answer_still_counts(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        ids = await push.enqueue(4)
        claims = (await claim(push, "stopped")).messages
        assert [one.id for one in claims] == ids
        assert await push.store.write(Lapse(ids, push.clock())) == 0
        push.clock.move(seconds=91)
        assert await push.store.write(Lapse(ids, push.clock())) == 4
        assert {row["state"] for row in await push.rows(ids)} == {"unknown"}
        for one, verdict in zip(
            claims,
            (
                UP,
                Verdict(End.OK, State.RECEIVED_BY_GATEWAY, "Queued", reference="AT2"),
                Verdict(End.REFUSED, State.DENIED, "UserInBlacklist"),
                Verdict(End.RETRY, State.PENDING, "connect_failed"),
            ),
            strict=True,
        ):
            for _ in range(2):  # writing it down twice is writing it down once
                job = Settle(one, verdict, AfricasTalking(), push.clock(), 0.5)
                await push.store.write(job)
        rows = await push.rows(ids)
        assert [row["state"] for row in rows] == [
            "sent", "received-by-gateway", "denied", "pending",
        ]  # fmt: skip
        assert [row["gateway_ref"] for row in rows] == ["AT1", "AT2", None, None]
        assert {len(await push.attempts(id_)) for id_ in ids} == {1}
        assert {len(await push.story(id_)) for id_ in ids[:3]} == {3}


async def test_what_a_former_attempt_comes_to_is_history(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False, unknown="retry") as push:
        (id_,) = await push.enqueue()
        (old,) = (await claim(push, "stopped")).messages
        push.clock.move(seconds=91)
        await push.store.write(Lapse([id_], push.clock()))
        await push.store.write(SendAgain([id_], push.clock(), push.clock()))
        (new,) = (await claim(push, "other")).messages
        assert (old.number, new.number) == (1, 2)
        await push.store.write(Settle(old, UP, AfricasTalking(), push.clock(), 0.5))
        row = await push.row(id_)
        assert (row["state"], row["lease_owner"], row["gateway_ref"]) == ("pending", "other", None)
        assert await push.attempts(id_) == [("ok", "Sent"), (None, None)]
        assert (await push.story(id_))[-1] == ("sent", False)
        refused = Verdict(End.REFUSED, State.FAILED, "InvalidPhoneNumber")
        await push.store.write(Settle(new, refused, AfricasTalking(), push.clock(), 0.5))
        assert (await push.row(id_))["state"] == "failed"
        await heard(push, "AT1", "Success")  # the former one did arrive after all
        assert (await push.row(id_))["state"] == "delivered"


async def test_what_died_with_its_worker_is_unknown_at_once_where_there_is_no_other(
    store: Store,
) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        ids = await push.enqueue(3)
        await claim(push, "dead")
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url, alone=True) as p:
        for id_ in ids:
            await p.until_state(id_, "unknown")
        assert not fake.service.requests


async def test_what_never_left_is_given_back(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        ids = await push.enqueue(3)
        await claim(push, "mine")
        assert await push.store.write(GiveBack("mine", ids[:1], push.clock())) == 2
        assert await push.store.write(GiveBack("other", (), push.clock())) == 0
        assert [row["lease_owner"] for row in await push.rows(ids)] == ["mine", None, None]
        assert await push.attempts(ids[1]) == [("paused", "not_sent")]
        assert [one.id for one in (await claim(push, "other")).messages] == ids[1:]


async def test_ending_lets_what_is_under_way_end(store: Store) -> None:
    async with fake_services.africastalking() as fake:
        fake.service.gate = asyncio.Event()
        async with pushing_to(store, fake.url) as push:
            ids = await push.enqueue(2)
            await fake.service.until(lambda: len(fake.service.texted) == 2)
            stopping = asyncio.create_task(push.dispatcher.stop(grace=20))
            (late,) = await push.enqueue()
            fake.service.gate.set()
            await stopping
            assert [row["state"] for row in await push.rows(ids)] == ["sent", "sent"]
            assert (await push.row(late))["attempts"] == 0


async def test_ending_in_the_middle_says_so(store: Store) -> None:
    async with fake_services.africastalking() as fake:
        fake.service.rule = lambda _request: Fault("hang")
        async with pushing_to(store, fake.url) as push:
            (id_,) = await push.enqueue()
            await fake.service.until(lambda: bool(fake.service.requests))
            await push.dispatcher.stop(grace=0.1)
            assert (await push.row(id_))["state"] == "unknown"
            assert await push.attempts(id_) == [("unknown", "stopped")]


async def test_a_reference_given_with_a_refusal_is_kept(store: Store) -> None:
    answer = {"statusCode": 403, "status": "InvalidPhoneNumber", "messageId": "AT9", "cost": "0"}
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url) as push:
        fake.service.script.append(
            Answer.json({"SMSMessageData": {"Message": "x", "Recipients": [answer]}}, 201)
        )
        (id_,) = await push.enqueue()
        row = await push.until_state(id_, "failed")
        assert row["gateway_ref"] == "AT9"
        assert row["details"] == '{"reason": "InvalidPhoneNumber"}'
