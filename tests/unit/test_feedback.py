import pytest

from smsgate import segments
from smsgate.form import Form
from smsgate.replies import replies_to
from tests.exchange import KNOWN, LOCALES, SENDER, Exchange, form


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("1!ANC!Sam#23#2015", "Antenatal visit received. Thank you."),
        ("anc Sam 23 2015", "Antenatal visit received. Thank you."),
        (
            "1!ANC!Sam##2015",
            (
                "Antenatal visit: we still need Week. "
                "Send all of it again, for example: 1!ANC!Sam#23#2015"
            ),
        ),
        (
            "ANC",
            (
                "Antenatal visit: we still need Name, Week, Year. "
                "Send all of it again, for example: 1!ANC!Sam#23#2015"
            ),
        ),
        (
            "1!ANC!Sam#soon#2015",
            "Week should be a whole number. Send all of it again, for example: 1!ANC!Sam#23#2015",
        ),
        (
            "1!ANC!Sam#2.5#2015",
            "Week should be a whole number. Send all of it again, for example: 1!ANC!Sam#23#2015",
        ),
        (
            "1!ANC!Sam#23#2015#yes#tomorrow",
            (
                "Danger sign should be 1 for yes or 0 for no. "
                "Next visit should be a date like 2026-03-09. "
                "Send all of it again, for example: 1!ANC!Sam#23#2015"
            ),
        ),
        (
            "1!ANC!#soon#2015",
            (
                "Antenatal visit: we still need Name. Week should be a whole number. "
                "Send all of it again, for example: 1!ANC!Sam#23#2015"
            ),
        ),
        (
            "1!ANC!Sam#23#2015#0#2026-04-06#x",
            (
                "Your message has too many values. "
                "Send all of it again, for example: 1!ANC!Sam#23#2015"
            ),
        ),
        (
            "2!ANC!Sam#23#2015",
            (
                "We cannot read the start of your message. "
                "Send all of it again, for example: 1!ANC!Sam#23#2015"
            ),
        ),
        (
            "ANC name Sam # week 1 # week 23 # year 2015",
            "Antenatal visit received. Thank you. A value came twice; we kept the last one.",
        ),
        (
            "1!STOCK!HC7#13#40",
            (
                "Stock report: we still need Zinc tablets. Month should be one of: 1 January, "
                "2 February, 3 March, 4 April, 5 May, 6 June, 7 July, 8 August and 4 more. "
                "Send all of it again, for example: 1!STOCK!HC7#2#40#12"
            ),
        ),
        (
            "1!JANMA!Sita#2082#13#1",
            (
                "Date of birth should be a year, month and day that exist. Send all of it again, "
                "for example: 1!JANMA!सीता राई#२०८२#११#२५#1#3200"
            ),
        ),
        (
            "1!JANMA!Sita#2082#11",
            (
                "Birth report: we still need Day (BS). Send all of it again, "
                "for example: 1!JANMA!सीता राई#२०८२#११#२५#1#3200"
            ),
        ),
    ],
)
def test_a_recognised_form_is_answered(text: str, reply: str) -> None:
    assert Exchange().text(text) == reply


def test_an_error_that_is_not_about_the_values_is_not_called_accepted() -> None:
    exchange = Exchange()
    draft = exchange.draft("1!ANC!Sam#23#2015")
    draft.errors.append({"code": "sys.facility_not_found", "message": "?"})
    assert replies_to(draft, exchange.rules) == []


@pytest.mark.parametrize(
    ("locale", "reply"),
    [
        ("fr", ("Visite prénatale : il manque Semaine. "
               "Renvoyez le tout, par exemple : 1!ANC!Sam#23#2015")),
        ("sw", ("Kliniki ya ujauzito: bado tunahitaji Wiki. "
               "Tuma zote tena, kwa mfano: 1!ANC!Sam#23#2015")),
        ("ne", "गर्भ जाँच: हप्ता पुगेन। सबै फेरि पठाउनुहोस्, जस्तै: 1!ANC!Sam#23#2015"),
        ("es", ("Control prenatal - falta lo siguiente: Semana. "
               "Vuelva a enviarlo todo, por ejemplo: 1!ANC!Sam#23#2015")),
    ],
)  # fmt: skip
def test_in_every_language(locale: str, reply: str) -> None:
    assert Exchange().text("1!ANC!Sam##2015", locale=locale) == reply


def test_an_operator_s_own_long_text_is_sent_as_it_is() -> None:
    long = "word " * 120
    exchange = Exchange(translations={"en": {"smsgate.reply.missing": long}})
    assert exchange.text("ANC") == f"{long}Correct it and send all of it again."


def test_nothing_a_sender_or_a_form_says_is_run_as_a_template() -> None:
    sly = form(
        "SLY",
        {
            "meta": {"code": "SLY", "label": "{{example}}"},
            "fields": {
                "a": {"type": "integer", "required": True, "labels": {"short": "<{{form}}>&"}}
            },
            "examples": [{"message": "SLY {{fields}}"}],
        },
    )
    exchange = Exchange(forms={"SLY": sly}, translations={"en": {"sms_received": "{{x}}{{from}}"}})
    assert exchange.text("SLY") == (
        "{{example}}: we still need <{{form}}>&. Send all of it again, for example: SLY {{fields}}"
    )
    assert exchange.text("{{from}} hello") == SENDER


def test_a_form_without_labels_or_examples_is_answered_by_its_keys() -> None:
    bare = form(
        "BARE",
        {
            "meta": {"code": "BARE"},
            "fields": {
                "a.b": {"type": "integer", "required": True},
                "tiny": {"type": "integer", "labels": {"tiny": "tn"}},
                "odd": {"type": "complex"},
            },
        },
    )
    exchange = Exchange(forms={"BARE": bare})
    assert exchange.text("1!BARE!5") == "BARE received. Thank you."
    assert exchange.text("1!BARE!#x#y") == (
        "BARE: we still need a.b. tn should be a whole number. odd should be a value we can read. "
        "Correct it and send all of it again."
    )


def wide(labels: int, example: int, count: int = 60) -> Form:
    fields = {
        f"f{number}": {
            "type": "integer",
            "required": number % 2 == 0,
            "labels": {"short": f"{number} " + "क" * labels},
        }
        for number in range(count)
    }
    examples = [{"message": "WIDE " + "9" * example}]
    return form(
        "WIDE",
        {"meta": {"code": "WIDE", "label": "ल" * labels}, "fields": fields, "examples": examples},
    )


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("text", ["WIDE", "1!WIDE!" + "#x" * 80, "1!WIDE!" + "x#" * 80])
@pytest.mark.parametrize("labels", [1, 12, 300])
def test_a_form_of_many_fields_is_answered_in_three_segments(
    labels: int, text: str, locale: str
) -> None:
    reply = Exchange(forms={"WIDE": wide(labels, 40)}).text(text, locale=locale)
    assert reply is not None
    assert segments.count(reply).segments <= 3


def test_what_was_left_out_is_counted() -> None:
    fields = {
        f"f{number}": {"type": "integer", "required": True, "labels": {"short": f"Field {number}"}}
        for number in range(1, 10)
    }
    nine = form("NINE", {"meta": {"code": "NINE"}, "fields": fields})
    reply = Exchange(forms={"NINE": nine}).text("NINE")
    assert reply is not None
    assert reply.startswith(
        "NINE: we still need Field 1, Field 2, Field 3, Field 4, Field 5, Field 6, Field 7 "
        "and 2 more. "
    )


def test_an_example_that_is_too_long_is_left_out() -> None:
    reply = Exchange(forms={"WIDE": wide(1, 700, count=1)}).text("WIDE")
    assert reply is not None
    assert reply.endswith("Correct it and send all of it again.")
    near = Exchange(forms={"WIDE": wide(1, 700)}).text("WIED 1")
    assert near == "Did you mean WIDE? Correct it and send all of it again."


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("code", ["ANC", "STOCK", "ALERT"])
def test_replies_about_the_shipped_forms_are_cheap(code: str, locale: str) -> None:
    exchange = Exchange()
    accepted = exchange.text(KNOWN[code].examples[0]["message"], locale=locale)
    missing = exchange.text(code, locale=locale)
    near = exchange.text(f"{code}Q 1", locale=locale)
    assert accepted is not None
    assert missing is not None
    assert near is not None
    assert segments.count(accepted).segments == 1
    assert segments.count(near).segments <= (2 if locale == "ne" else 1)
    assert segments.count(missing).segments <= (2 if locale == "ne" else 1)
