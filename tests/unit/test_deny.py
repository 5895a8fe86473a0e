import pytest

from smsgate.deny import Denial, DenyRules, same_number

KENYAN = "+254712345678"
OWN = "+254700000001"

SHIPPED = {
    "outgoing_deny_shorter_than": 6,
    "outgoing_deny_with_alphas": True,
    "gateway_number": OWN,
}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (KENYAN, None),
        ("0712345678", None),
        ("९८४१२०२०२०", None),
        ("123456", None),
        ("  123456  ", None),
        ("", None),
        ("   ", None),
        ("12345", Denial.SHORTER_THAN),
        ("  12345  ", Denial.SHORTER_THAN),
        ("+1234", Denial.SHORTER_THAN),
        ("Safaricom", Denial.WITH_ALPHAS),
        ("SAFARICOM", Denial.WITH_ALPHAS),
        ("M-PESA 22", Denial.WITH_ALPHAS),
        ("+25471234567x", Denial.WITH_ALPHAS),
        ("नेपाल टेलिकम", Denial.WITH_ALPHAS),
        (OWN, Denial.GATEWAY_NUMBER),
        ("0700000001", Denial.GATEWAY_NUMBER),
    ],
)
def test_the_rules_new_installations_ship(number: str, reason: Denial | None) -> None:
    assert DenyRules.from_settings(SHIPPED).denies(number) == reason


@pytest.mark.parametrize("number", [KENYAN, "123", "Safaricom", OWN, ""])
def test_no_settings_deny_nobody(number: str) -> None:
    assert DenyRules.from_settings({}).denies(number) is None


@pytest.mark.parametrize(
    ("entries", "number", "denied"),
    [
        ("+2547, INFO", KENYAN, True),
        ("+2547, INFO", "info@example", True),
        ("+2547, INFO", "+254812345678", False),
        ("info", "INFO", True),
        ("+2547", "0712345678", False),
        ("Straße", "STRASSE", True),
        ("", KENYAN, False),
        (" , ,", KENYAN, False),
    ],
)
def test_the_list_denies_by_prefix(entries: str, number: str, denied: bool) -> None:
    rules = DenyRules.from_settings({"outgoing_deny_list": entries})
    assert (rules.denies(number) is Denial.DENY_LIST) is denied


@pytest.mark.parametrize(
    ("value", "least"),
    [
        (6, 6),
        ("6", 6),
        (" 6 ", 6),
        (0, 0),
        (-3, 0),
        (True, 0),
        (6.5, 0),
        ("six", 0),
        ("", 0),
        (None, 0),
        ([6], 0),
        ("9" * 5000, 0),
    ],
)
def test_shorter_than_is_a_number_or_its_digits(value: object, least: int) -> None:
    assert DenyRules.from_settings({"outgoing_deny_shorter_than": value}).shorter_than == least


@pytest.mark.parametrize("value", ["true", 1, "false", False, None, {}])
def test_with_alphas_wants_true_itself(value: object) -> None:
    assert not DenyRules.from_settings({"outgoing_deny_with_alphas": value}).with_alphas


@pytest.mark.parametrize("value", [None, False, {}, 1.5])
def test_a_list_or_gateway_number_of_a_wrong_type_is_none(value: object) -> None:
    rules = DenyRules.from_settings({"outgoing_deny_list": value, "gateway_number": value})
    assert rules == DenyRules()


def test_a_gateway_number_may_be_a_json_number() -> None:
    assert DenyRules.from_settings({"gateway_number": 254700000001}).is_gateway(OWN)


@pytest.mark.parametrize(
    ("sender", "recipient", "reason"),
    [
        (KENYAN, KENYAN, None),
        (KENYAN, "12345", Denial.SHORTER_THAN),
        ("12345", KENYAN, Denial.SHORTER_THAN),
        ("Safaricom", "12345", Denial.WITH_ALPHAS),
        (KENYAN, OWN, Denial.GATEWAY_NUMBER),
        (OWN, KENYAN, Denial.GATEWAY_NUMBER),
        ("", KENYAN, None),
        ("", "12345", Denial.SHORTER_THAN),
        (KENYAN, "", None),
    ],
)
def test_both_ends_are_tried_the_sender_first(
    sender: str, recipient: str, reason: Denial | None
) -> None:
    assert DenyRules.from_settings(SHIPPED).denial(sender=sender, recipient=recipient) == reason


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (KENYAN, KENYAN, True),
        (KENYAN, "+254 712-345 678", True),
        (KENYAN, "0712345678", True),
        (KENYAN, "712345678", True),
        (KENYAN, "254712345678", True),
        (KENYAN, "00254712345678", True),
        (KENYAN, "+२५४७१२३४५६७८", True),
        ("911", "911", True),
        (KENYAN, "+255712345678", False),
        (KENYAN, "+254712345679", False),
        (KENYAN, "345678", False),
        (KENYAN, "", False),
        ("", "", False),
        ("Safaricom", "Safaricom", False),
        (KENYAN, "x" * 1000 + "345678", False),
    ],
)
def test_two_spellings_of_one_number(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) is same
    assert same_number(other, one) is same
