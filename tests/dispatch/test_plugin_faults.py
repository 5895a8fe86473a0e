"""An aggregator whose code has faults harms nobody else."""

from __future__ import annotations

from smsgate.aggregators.africastalking import AfricasTalking
from smsgate.aggregators.base import Answer, Ask, Options, Outcome, Push, Secret, Unready
from smsgate.store.database import Store
from tests import fake_services
from tests.pushes import pushing_to


class Composes(AfricasTalking):
    """Cannot ask."""

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        raise RuntimeError(f"{push.recipient} {secret} {options}")


class Interprets(AfricasTalking):
    """Cannot read."""

    def interpret(self, answer: Answer) -> Outcome:
        raise RuntimeError(answer.body)


class AsksOddly(AfricasTalking):
    """Asks where nobody is."""

    def compose(self, push: Push, _secret: Secret | None, _options: Options) -> Ask | Unready:
        return Ask("POST", "https://127.0.0.1:1/", body=push.text.encode())


async def test_what_cannot_be_asked_pauses_the_route_with_a_reason(store: Store) -> None:
    for aggregator, reason in (
        (AsksOddly(), "connect_failed"),
        (Composes(), "the aggregator's code failed: RuntimeError"),
    ):
        async with (
            fake_services.africastalking() as fake,
            pushing_to(store, fake.url, aggregator=aggregator) as push,
        ):
            (id_,) = await push.enqueue()
            await push.until_attempts(id_, 1)
            assert (await push.attempts(id_))[0][1] == reason
            assert (await push.row(id_))["state"] == "pending"
            assert not fake.service.requests


async def test_what_cannot_be_read_is_unknown(store: Store) -> None:
    async with (
        fake_services.africastalking() as fake,
        pushing_to(store, fake.url, aggregator=Interprets()) as push,
    ):
        (id_,) = await push.enqueue()
        row = await push.until_state(id_, "unknown")
        assert row["details"] == '{"reason": "the aggregator\'s code failed: RuntimeError"}'
        assert (await push.route()).paused_at is None
