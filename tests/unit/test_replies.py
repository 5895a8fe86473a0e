from datetime import UTC, date, datetime
from typing import Any

import pytest

from smsgate.catalogue import Catalogue
from smsgate.clock import to_ms
from smsgate.deny import Denial
from smsgate.record import Draft, draft_from_json
from smsgate.replies import Kind, Reply, ReplyRules, Withheld, replies_to
from tests.exchange import KNOWN, NOON, OWN, SENDER, SHIPPED, Exchange, form


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("1!ANC!Sam#23#2015", Kind.FORM_REPLY, "smsgate.reply.accepted"),
        ("1!ANC!Sam##2015", Kind.FORM_REPLY, "smsgate.reply.missing"),
        ("1!ANC!Sam#soon#2015", Kind.FORM_REPLY, "smsgate.reply.unreadable"),
        ("ACN Sam 23 2015", Kind.NEAR_MISS, "smsgate.reply.did_you_mean"),
        ("", Kind.DEFAULT_RESPONSE, "empty"),
        ("good morning", Kind.DEFAULT_RESPONSE, "sms_received"),
    ],
)
def test_a_reply_says_what_it_is(text: str, kind: Kind, key: str) -> None:
    reply = Exchange().answer(text, "0712 345 678")
    assert isinstance(reply, Reply)
    assert (reply.recipient, reply.kind, reply.translation_key, reply.locale) == (
        SENDER,
        kind,
        key,
        "en",
    )


@pytest.mark.parametrize(
    ("text", "forms_only", "key"),
    [
        ("", False, "empty"),
        ("  \n", True, "empty"),
        ("hello there", False, "sms_received"),
        ("hello there", True, "form_not_found"),
        ("1!ZZZZ!x", False, "sms_received"),
        ("1!ZZZZ!x", True, "form_not_found"),
        ("1!ANC!Sam#23#2015", False, None),
        ("1!ANC!", True, None),
    ],
)
def test_default_responses(text: str, forms_only: bool, key: str | None) -> None:
    settings = {"default_responses": {"start_date": "2026-03-09"}, "forms_only_mode": forms_only}
    reply = Exchange(settings).answer(text)
    assert (reply.translation_key if isinstance(reply, Reply) else reply) == key


@pytest.mark.parametrize(
    ("start", "zone", "at", "answered"),
    [
        ("2026-03-09", "UTC", datetime(2026, 3, 9, tzinfo=UTC), False),
        ("2026-03-09", "UTC", datetime(2026, 3, 9, 0, 0, 0, 1000, tzinfo=UTC), True),
        ("2026-03-10", "UTC", NOON, False),
        ("2026-03-09", "Asia/Kathmandu", datetime(2026, 3, 8, 18, 15, tzinfo=UTC), False),
        ("2026-03-09", "Asia/Kathmandu", datetime(2026, 3, 8, 18, 16, tzinfo=UTC), True),
        ("2026-03-09", "America/Lima", datetime(2026, 3, 9, 5, 0, tzinfo=UTC), False),
        ("2026-03-09", "America/Lima", datetime(2026, 3, 9, 5, 1, tzinfo=UTC), True),
        ("0001-01-01", "Asia/Kathmandu", NOON, True),
        ("9999-12-31", "America/Lima", NOON, False),
        ("", "UTC", NOON, False),
        ("soon", "UTC", NOON, False),
        ("2026-02-30", "UTC", NOON, False),
        (None, "UTC", NOON, False),
        (20260309, "UTC", NOON, False),
    ],
)
def test_default_responses_begin_after_the_local_midnight(
    start: object, zone: str, at: datetime, answered: bool
) -> None:
    exchange = Exchange({"default_responses": {"start_date": start}}, zone=zone)
    assert (exchange.answer("hello there", at=at) is not None) is answered


@pytest.mark.parametrize("text", ["", "hello there", "1!ANC!", "1!ANC!Sam#23#2015", "ACN x"])
def test_a_document_brought_from_a_cht_server_stays_as_silent_as_it_was(text: str) -> None:
    assert Exchange({}).answer(text) is None


@pytest.mark.parametrize(
    ("own", "feedback", "near"),
    [
        ({"replies": {"form_feedback": True}}, True, False),
        ({"replies": {"near_misses": True}}, False, True),
        ({"replies": {"form_feedback": "yes", "near_misses": 1}}, False, False),
        ({"replies": []}, False, False),
        (None, False, False),
        ("on", False, False),
    ],
)
def test_each_kind_is_switched_by_itself(own: object, feedback: bool, near: bool) -> None:
    exchange = Exchange({"smsgate": own})
    assert (exchange.text("1!ANC!Sam#23#2015") is not None) is feedback
    assert (exchange.text("1!ACN!Sam#23#2015") is not None) is near


@pytest.mark.parametrize("forms_only", [False, True])
def test_a_near_miss_takes_the_place_of_the_default_response(forms_only: bool) -> None:
    exchange = Exchange(forms_only_mode=forms_only)
    assert exchange.text("STOK HC7 2 40 12") == (
        "Did you mean STOCK? Send all of it again, for example: 1!STOCK!HC7#2#40#12"
    )
    assert exchange.draft("STOK HC7 2 40 12").fields == {}


def test_a_near_miss_is_told_before_default_responses_begin() -> None:
    exchange = Exchange(default_responses={})
    assert exchange.text("STOK HC7 2 40 12") is not None
    assert exchange.text("hello there") is None


@pytest.mark.parametrize("text", ["", "x", "good morning", "1!ZZZZ!x"])
def test_what_is_near_nothing_is_no_near_miss(text: str) -> None:
    reply = Exchange().answer(text)
    assert isinstance(reply, Reply)
    assert reply.kind is Kind.DEFAULT_RESPONSE


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("12345", Denial.SHORTER_THAN),
        ("Safaricom", Denial.WITH_ALPHAS),
        ("M-PESA 1234567", Denial.WITH_ALPHAS),
    ],
)
@pytest.mark.parametrize("text", ["", "hello there", "1!ANC!Sam#23#2015", "1!ACN!Sam"])
def test_a_denied_reply_is_kept_with_its_reason(text: str, sender: str, reason: Denial) -> None:
    withheld = Exchange().answer(text, sender)
    assert isinstance(withheld, Withheld)
    assert withheld.reason is reason
    assert withheld.reply is not None
    assert withheld.reply.recipient == sender
    assert withheld.reply.text


@pytest.mark.parametrize("sender", [OWN, "0700 000 001", "254700000001"])
@pytest.mark.parametrize("text", ["", "hello there", "1!ANC!Sam#23#2015", "1!ACN!Sam"])
def test_the_gateway_never_answers_itself(text: str, sender: str) -> None:
    assert Exchange().answer(text, sender) == Withheld(reason=Denial.GATEWAY_NUMBER)


def test_the_deny_list_reaches_replies() -> None:
    withheld = Exchange(outgoing_deny_list="+2547").answer("hello there")
    assert isinstance(withheld, Withheld)
    assert withheld.reason is Denial.DENY_LIST


@pytest.mark.parametrize("sender", ["", "   "])
def test_nobody_to_answer(sender: str) -> None:
    assert Exchange().answer("1!ANC!Sam#23#2015", sender) is None


def test_what_a_person_wrote_on_the_server_is_not_answered() -> None:
    exchange = Exchange()
    draft = exchange.draft("hello there")
    draft.document["kujua_message"] = True
    assert replies_to(draft, exchange.rules) == []


def test_a_record_sent_as_json_gets_no_form_reply() -> None:
    exchange = Exchange()
    body = {"_meta": {"form": "ANC", "from": SENDER}, "name": "Sam"}
    draft = draft_from_json(body, rules=exchange.reading, received_ms=to_ms(NOON))
    assert isinstance(draft, Draft)
    assert draft.missing
    assert replies_to(draft, exchange.rules) == []


@pytest.mark.parametrize(
    ("settings", "text", "given", "locale"),
    [
        ({}, "hello", {}, "en"),
        ({"locale": "sw"}, "hello", {}, "sw"),
        ({"locale": "sw", "locale_outgoing": "fr"}, "hello", {}, "fr"),
        ({"locale": "sw", "locale_outgoing": "fr"}, "hello", {"locale": "ne"}, "ne"),
        ({"locale": "sw", "locale_outgoing": "fr"}, "1!LANG!es", {"locale": "ne"}, "es"),
        ({"locale": 7, "locale_outgoing": ["fr"]}, "hello", {}, "en"),
        ({"locale": "xx"}, "hello", {}, "xx"),
    ],
)
def test_whose_language(
    settings: dict[str, Any], text: str, given: dict[str, Any], locale: str
) -> None:
    language = form("LANG", {"meta": {"code": "LANG"}, "fields": {"locale": {"type": "string"}}})
    exchange = Exchange({**SHIPPED, **settings}, forms={**KNOWN, "LANG": language})
    reply = exchange.answer(text, **given)
    assert isinstance(reply, Reply)
    assert reply.locale == locale
    words = exchange.rules.catalogue.find(reply.translation_key, locale)
    assert words is not None
    assert reply.text == words.replace("{{form_name}}", "LANG")


def test_the_record_s_own_locale_comes_first() -> None:
    exchange = Exchange()
    draft = exchange.draft("hello there", locale="fr")
    draft.document["locale"] = "es"
    (reply,) = replies_to(draft, exchange.rules)
    assert isinstance(reply, Reply)
    assert reply.locale == "es"


def test_the_settings_document_has_the_last_word() -> None:
    texts = {
        "smsgate.reply.accepted": "{{form}} = {{form_name}} ok",
        "sms_received": "Got it, {{from}}{{form}}",
        "smsgate.reply.missing": " ",
        "smsgate.reply.example": " ",
        "empty": " ",
    }
    exchange = Exchange(translations={"en": texts})
    assert exchange.text("1!ANC!Sam#23#2015") == "ANC = Antenatal visit ok"
    assert exchange.text("hello there") == f"Got it, {SENDER}"
    assert exchange.text("1!ANC!Sam##2015") is None
    assert exchange.text("") is None
    assert exchange.text("1!ANC!Sam#soon#2015") == "Week should be a whole number."


def test_a_default_response_may_mention_what_the_record_says() -> None:
    exchange = Exchange(
        translations={"en": {"sms_received": "{{flag}} {{reported_date}} {{form}}."}}
    )
    draft = exchange.draft("hello there")
    draft.fields["flag"] = True
    (reply,) = replies_to(draft, exchange.rules)
    assert isinstance(reply, Reply)
    assert reply.text == f"true {to_ms(NOON)} ."


@pytest.mark.parametrize("sender", [SENDER, ""])
def test_whatever_arrives_there_is_one_answer_or_none(sender: str) -> None:
    exchange = Exchange()
    for text in ("#" * 1600, "!" * 1600, '"' * 1600, "ANC " + '"' * 99, "1!ANC!" + "#" * 999, "\0"):
        exchange.answer(text, sender)


def test_rules_without_settings_reply_nothing() -> None:
    rules = ReplyRules(catalogue=Catalogue(), forms=KNOWN)
    assert rules.default_responses_start is None
    assert rules.locale_for({}) == "en"
    assert ReplyRules.from_settings(
        {"default_responses": {"start_date": "2026-03-09"}, "forms_only_mode": "false"},
        catalogue=rules.catalogue,
        forms=KNOWN,
    ) == ReplyRules(
        catalogue=rules.catalogue, forms=KNOWN, default_responses_start=date(2026, 3, 9)
    )
