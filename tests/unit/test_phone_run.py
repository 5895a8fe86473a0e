"""A run of the simulated phone: what it carries, where to, and what is told of it."""

from __future__ import annotations

import base64
import io
import random
from pathlib import Path

import phonenumbers
import pytest

from smsgate.simulate.handset import Phone
from smsgate.simulate.line import read_address, read_verification
from smsgate.simulate.report import Expect, Progress, RunCounts, summary, tally, who
from smsgate.simulate.rows import Outgoing, Report, Row, Status
from smsgate.simulate.traffic import Line, Traffic, read_lines
from tests.make import sms_of


def test_the_demo_traffic_has_valid_distinct_senders_and_answers_to_the_count() -> None:
    traffic = Traffic(300, rng=random.Random(3))
    bursts = []
    while traffic.left:
        bursts.append(traffic.arriving(now=1_700_000_000_000))
    carried = [one for burst in bursts for one in burst]
    assert len(carried) == 300
    assert max(map(len, bursts)) <= 9
    assert len({one.id for one in carried}) == len({one.sender for one in carried}) == 300
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(one.sender)) for one in carried)
    assert len({one.text for one in carried}) > 100
    assert all(0 < one.sms_sent < one.sms_received for one in carried)
    assert traffic.arriving(now=1) == []


def test_resumed_traffic_goes_on_where_it_stopped() -> None:
    traffic = Traffic(
        3, lines=[Line("a"), Line("b", "+1"), Line("c")], carried=[sms_of(1), sms_of(2)]
    )
    assert traffic.left == 1
    (last,) = traffic.arriving(now=5)
    assert last.text == "c"


@pytest.mark.parametrize(
    ("text", "single"), [("a" * 160, True), ("a" * 161, False), ("é" * 70, True), ("é" * 71, False)]
)
def test_a_text_of_several_parts_has_no_sent_time(text: str, single: bool) -> None:
    (one,) = Traffic(1, lines=[Line(text)]).arriving(now=1_700_000_000_000)
    assert (one.sms_sent != 0) is single


def test_a_messages_file(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_bytes(
        "\ufeffplain\r\n\n+254700000001\ttext\twith tab\n\t\u2028no sender\nempty\t\n".encode()
    )
    assert read_lines(path) == [
        Line("plain"),
        Line("text\twith tab", "+254700000001"),
        Line("\u2028no sender"),
        Line("", "empty"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff"])
def test_a_messages_file_without_messages(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "messages"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="messages"):
        read_lines(path)


def reply(ref: str, to: str, content: str = "thanks") -> Outgoing:
    return Outgoing(id=ref, to=to, content=content, reports=[Report(status=Status.SENT, at=0)])


A, B = "+254700000001", "+254700000002"


@pytest.mark.parametrize(
    ("rows", "expect", "lost", "doubled"),
    [
        ([sms_of(1), reply("o1", A)], Expect.AUTO, (), ()),
        ([sms_of(1), reply("o1", "0700000001")], Expect.AUTO, (), ()),
        ([sms_of(1), sms_of(2), reply("o1", A)], Expect.AUTO, ("in-2",), ()),
        ([sms_of(1), sms_of(2), reply("o1", A)], Expect.NO, (), ()),
        ([sms_of(1)], Expect.AUTO, (), ()),
        ([sms_of(1)], Expect.YES, ("in-1",), ()),
        ([sms_of(1), reply("o1", A), reply("o2", A)], Expect.AUTO, (), ("o2",)),
        ([sms_of(1), reply("o1", A), reply("o2", A, "more")], Expect.AUTO, (), ()),
        ([sms_of(1), sms_of(2, A), reply("o1", A), reply("o2", A)], Expect.AUTO, (), ()),
        ([sms_of(1), sms_of(2, A), reply("o1", A)], Expect.AUTO, ("in-2",), ()),
        ([sms_of(1), reply("o1", A), reply("o2", B), reply("o3", B)], Expect.AUTO, (), ()),
        ([sms_of(1, "Clinic"), reply("o1", "CLINIC")], Expect.YES, (), ()),
    ],
)
def test_what_is_lost_and_what_is_doubled(
    rows: list[Row], expect: Expect, lost: tuple[str, ...], doubled: tuple[str, ...]
) -> None:
    result = tally(Phone(rows), expect)
    assert (result.lost, result.doubled) == (lost, doubled)


def test_short_codes_are_compared_whole() -> None:
    assert who("22333") != who("33322")
    assert who("+254 712-345-678") == who("0712345678")


def test_the_summary_holds_counts_and_ids_only() -> None:
    rows = [sms_of(n, text="1!ANC!secret") for n in range(9)]
    for row in rows:
        row.forwarded = True
    phone = Phone([*rows, reply("o1", "+254700000000", "private")])
    counts = RunCounts(polls=3, unreadable=1)
    counts.refusals["HTTP 500: the server failed"] = 2
    lines = "\n".join(summary(tally(phone), counts))
    assert "lost: 8 (in-1, in-2, in-3, in-4, in-5 …)" in lines
    assert "refused: 2 x HTTP 500: the server failed" in lines
    assert lines.endswith("result: FAILED")
    assert not any(word in lines for word in ("secret", "private", "+2547"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_rewritten() -> None:
    now = iter(range(100))
    stream = Terminal()
    progress = Progress(stream, clock=lambda: float(next(now)))
    phone = Phone([sms_of(1)])
    for _ in range(3):
        progress.show(phone, total=5, counts=RunCounts(), trouble=None)
    progress.end()
    progress.end()
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\rsms 0/5 acknowledged") == 3


def test_elsewhere_a_line_comes_now_and_then_and_at_each_new_trouble() -> None:
    now = 0.0
    stream = io.StringIO()
    progress = Progress(stream, clock=lambda: now)
    for now, trouble in [  # noqa: B007  the clock above reads it
        (1.0, None),
        (2.0, "HTTP 500"),
        (3.0, "HTTP 500"),
        (4.0, None),
        (5.0, "HTTP 500"),
        (11.0, None),
    ]:
        progress.show(Phone(), total=5, counts=RunCounts(), trouble=trouble)
    progress.end()
    lines = stream.getvalue().splitlines()
    assert [line.endswith("HTTP 500") for line in lines] == [True, True, False]


@pytest.mark.parametrize(
    ("url", "sent", "info"),
    [
        ("http://h:1/api/sms", "http://h:1/api/sms", "u:p"),
        ("http://h:1", "http://h:1/api/sms", "u:p"),
        ("http://h:1/", "http://h:1/api/sms", "u:p"),
        (" https://a:b@h/x/ ", "https://h/x/", "a:b"),
        ("https://a:p%40s@h/x", "https://h/x", "a:p%40s"),
        ("https://a:é@h/x", "https://h/x", "a:é"),
        ("https://a:b@[::1]:2/x", "https://[::1]:2/x", "a:b"),
    ],
)
def test_the_address_is_read_as_the_phone_does(url: str, sent: str, info: str) -> None:
    address = read_address(url, "u", "p")
    assert address.url == sent
    assert address.authorization == "Basic " + base64.b64encode(info.encode("latin-1")).decode()
    assert "Basic" not in repr(address)


@pytest.mark.parametrize(
    "url", ["", "h/api/sms", "ftp://u:hush@h/", "http://", "http://u:hush@h:x/", "http://[hush/"]
)
def test_a_wrong_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="must look like") as caught:
        read_address(url, None, None)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "why", "passing"),
    [
        (200, b'{"medic-gateway":true}', None, False),
        (200, b'{"medic-gateway":"true"}', "not the expected app (HTTP 200)", False),
        (200, b"[]", "not the expected app (HTTP 200)", False),
        (200, b"<html>", "not the expected app (HTTP 200)", False),
        (302, b"", "HTTP 302: the address redirects; give the address it leads to", False),
        (401, b"", "HTTP 401: the server refuses this user or password", False),
        (
            403,
            b"",
            "not the expected app (HTTP 403: the account lacks can_access_gateway_api)",
            False,
        ),
        (
            404,
            b'{"medic-gateway":true}',
            "not the expected app (HTTP 404: is the path right?)",
            False,
        ),
        (503, b"", "not the expected app (HTTP 503)", True),
    ],
)
def test_the_settings_screen(status: int, body: bytes, why: str | None, passing: bool) -> None:
    refused = read_verification(status, body)
    assert (refused.why if refused else None) == why
    assert refused is None or refused.passing is passing
