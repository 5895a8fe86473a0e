"""What a sender hears, from the poll that brought the text (issue 2.5, protocol 7.9)."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.store.tables import outbound
from tests import make
from tests.looking import rows
from tests.running import Running

SENDER = "+254712345678"


async def _put(server: Running, **document: Any) -> None:
    response = await server.call("PUT", "/api/v1/settings", json=document)
    assert response.status_code == 200


async def _heard(server: Running, text: str, sender: str = SENDER) -> str | None:
    """What is sent back for one text."""
    item = make.sms(text, **{"from": sender})
    await server.poll(item)
    arrived = (await server.get("/api/v1/messages?direction=inbound"))["data"][0]
    replies = [row for row in await rows(server, outbound) if row["inbound_id"] == arrived["id"]]
    assert len(replies) <= 1
    return replies[0]["text"] if replies and replies[0]["state"] != "denied" else None


# text, forms_only_mode, the kind of answer
TABLE = [
    ("", False, "empty"),
    (" ", False, "empty"),
    ("good morning", False, "sms_received"),
    ("1!ZZZZ!x", False, "sms_received"),
    ("good morning", True, "form_not_found"),
    ("1!ZZZZ!x", True, "form_not_found"),
    ("", True, "empty"),
    ("1!ANC!Sam#23#2015", False, None),
]


@pytest.mark.parametrize("start", ["2026-03-08", "2026-03-09", "2026-03-10", "", None, "soon"])
async def test_default_responses_follow_the_table(embedded: Running, start: str | None) -> None:
    words = {key: f"<{key}>" for key in ("empty", "sms_received", "form_not_found")}
    await _put(
        embedded,
        translations={"en": words},
        default_responses={"start_date": start},
        smsgate={"replies": {"form_feedback": False, "near_misses": False}},
    )
    for text, only_forms, key in TABLE:
        await _put(embedded, forms_only_mode=only_forms)
        expected = f"<{key}>" if key and start in ("2026-03-08", "2026-03-09") else None
        assert await _heard(embedded, text) == expected, (text, only_forms)


async def test_a_form_is_answered_with_what_became_of_it(server: Running) -> None:
    accepted = await _heard(server, "1!ANC!Sam#23#2015")
    missing = await _heard(server, "1!ANC!Sam##2015")
    unreadable = await _heard(server, "1!ANC!Sam#soon#2015")
    assert len({accepted, missing, unreadable}) == 3
    assert accepted is not None
    assert "Antenatal visit" in accepted
    for told in (missing, unreadable):
        assert told is not None
        assert "Week" in told
        assert "1!ANC!Sam#23#2015" in told or "ANC" in told


LOCALES = {
    "en": "Antenatal",
    "fr": "pr\u00e9natale",
    "sw": "ujauzito",
    "ne": "\u0917\u0930\u094d\u092d",
    "es": "prenatal",
}


async def test_replies_come_in_the_programmes_language(embedded: Running) -> None:
    heard = set()
    for locale, word in LOCALES.items():
        await _put(embedded, locale=locale, locale_outgoing="")
        accepted = await _heard(embedded, "1!ANC!Sam#23#2015")
        assert accepted is not None
        assert word in accepted, locale
        free = await _heard(embedded, "good morning to you all")
        assert free
        heard |= {accepted, free}
    assert len(heard) == 2 * len(LOCALES)
    # Outgoing words may be in another language than texts are read in.
    await _put(embedded, locale="en", locale_outgoing="sw")
    accepted = await _heard(embedded, "1!ANC!Sam#23#2015")
    assert accepted is not None
    assert LOCALES["sw"] in accepted


async def test_the_gateways_own_number_is_never_answered(server: Running) -> None:
    await _put(server, gateway_number=SENDER)
    for text in ("1!ANC!Sam#23#2015", "", "good morning"):
        assert await _heard(server, text) is None
    assert await rows(server, outbound) == []
    assert await _heard(server, "good morning", "+254712345679") is not None


@pytest.mark.parametrize(
    ("sender", "document", "reason"),
    [
        ("12345", {}, None),
        ("MPESA", {}, None),
        ("Safaricom", {}, None),
        ("AD-CLINIC", {}, None),
        (SENDER, {"outgoing_deny_list": "+25471"}, None),
        ("MPESA", {"outgoing_deny_with_alphas": False, "outgoing_deny_shorter_than": 0}, "sent"),
    ],
)
async def test_who_must_not_be_answered_is_not_and_the_reason_is_kept(
    server: Running, sender: str, document: dict[str, Any], reason: str | None
) -> None:
    await _put(server, **document)
    for text in ("good morning", "1!ANC!Sam#23#2015", ""):
        assert (await _heard(server, text, sender) is None) is (reason is None)
    stored = await rows(server, outbound)
    assert len(stored) == 3
    for row in stored:
        shown = await server.get(f"/api/v1/messages/{row['id']}")
        if reason is None:
            assert shown["state"] == "denied"
            assert shown["state_details"]["reason"]
            assert [step["state"] for step in shown["state_history"]] == ["denied"]
        else:
            assert shown["state"] == "forwarded-to-gateway"


async def test_replies_are_in_the_answer_to_the_poll_that_caused_them(server: Running) -> None:
    for place in range(24):
        body = {"to": "+254733000000", "content": f"waiting {place}"}
        assert (await server.call("POST", "/api/v1/messages", json=body)).status_code == 201
    given = await server.poll(make.sms("good morning"), make.sms("1!ANC!Sam#23#2015"))
    assert len(given) == 25  # never more in one answer, and what has waited longer goes first
    assert [one["content"].startswith("waiting") for one in given] == [True] * 24 + [False]
    seen = {one["id"] for one in given}
    await server.poll(updates=[{"id": id_, "status": "UNSENT"} for id_ in seen])
    rest = await server.poll()
    assert len(rest) == 1
    assert not seen & {one["id"] for one in rest}


async def test_a_lost_answer_is_given_again(server: Running) -> None:
    given = await server.poll(make.sms(), make.sms())
    for _ in range(3):
        assert await server.poll() == given
        assert await server.poll(user="phone2") == []
    await server.poll(updates=[{"id": one["id"], "status": "UNSENT"} for one in given])
    assert await server.poll() == []
