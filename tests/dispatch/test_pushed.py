"""A message on its way to an aggregator: each answer there is, and what becomes of the message."""

from __future__ import annotations

from smsgate.store.database import Store
from tests import fake_services
from tests.pushes import pushing_to


async def test_a_message_goes_out_once_and_its_reference_is_kept(store: Store) -> None:
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url) as push:
        (id_,) = await push.enqueue()
        row = await push.until_state(id_, "sent")
        assert row["gateway_ref"] in fake.service.texted
        assert (row["route"], row["attempts"], row["lease_owner"]) == ("africastalking", 1, None)
        assert await push.attempts(id_) == [("ok", "Sent")]
        assert await push.story(id_) == [("pending", True), ("sent", True)]
        assert sum(fake.service.taken.values()) == 1
        assert push.tally.pushes == {("africastalking", "ok"): 1}
