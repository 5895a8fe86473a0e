"""A number that answers whatever it is sent, at the other end of an aggregator (B9)."""

from __future__ import annotations

from typing import Any

from smsgate.fakes.africastalking import incoming
from smsgate.store.tables import outbound
from tests import fake_services
from tests.dispatch.test_served import set_up
from tests.looking import rows
from tests.running import Running

KEY, BOT = "in-key", "+254712345678"


async def _say(server: Running, fake: Any, text: str) -> None:
    url = f"{server.url}/api/v1/sms/africastalking/incoming-messages?key={KEY}"
    heard = await fake.callbacks.now(incoming(BOT, text, url=url))
    assert heard.status == 200


async def test_an_echo_is_answered_five_times_and_no_more(server: Running) -> None:
    """Each reply is sent back as a new text; the sixth reply stays, and says why."""
    async with fake_services.africastalking() as fake:
        await set_up(server, fake.url)
        stored = await server.call(
            "PUT",
            "/api/v1/credentials/africastalking.com:incoming",
            content=KEY,
            headers={"Content-Type": "text/plain"},
        )
        assert stored.status_code == 200
        text, sent = "hello there", 0
        for _ in range(20):
            await _say(server, fake, text)
            states = [row["state"] for row in await rows(server, outbound)]
            if "duplicate" in states:
                break
            sent += 1
            await fake.service.until(lambda: len(fake.service.texted) == sent)  # noqa: B023
            text = list(fake.service.texted.values())[-1].text
        held = [row for row in await rows(server, outbound) if row["state"] == "duplicate"]
        assert [row["details"] for row in held] == ['{"reason": "duplicate_limit"}']
        assert len(fake.service.texted) == sent <= 6  # the first reply is to other words
