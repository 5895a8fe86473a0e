"""Where a request may go (D16): each address, each spelling, each trick with names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from smsgate.addresses import networks, refusal
from smsgate.aggregators.base import Answer, Ask
from smsgate.fakes import faults
from smsgate.transport import Forbidden, NotSent, Transport
from tests import fake_services
from tests.pushes import transport

INSIDE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "nonsense", "",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_refused(address: str) -> None:
    assert refusal([address], (), public=True) is not None
    assert refusal(["8.8.8.8", address], (), public=True) is not None


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_not(address: str) -> None:
    assert refusal([address], (), public=True) is None
    assert refusal([address], (), public=False) is not None  # never without TLS


def test_a_list_lets_its_networks_in_and_no_others() -> None:
    allowed = networks(["192.168.1.7/24", "fd00::/8", "nonsense", 5, "10.0.0.1"])
    assert [str(one) for one in allowed] == ["192.168.1.0/24", "fd00::/8", "10.0.0.1/32"]
    assert refusal(["192.168.1.9", "fd00::1", "10.0.0.1"], allowed, public=False) is None
    assert refusal(["192.168.2.9"], allowed, public=True) is not None
    assert refusal(["192.168.1.9", "::ffff:192.168.1.9"], allowed, public=True) is not None
    assert refusal([], allowed, public=True) is not None
    assert networks("10.0.0.0/8") == networks(None) == ()


URLS = [
    "http://example.org/", "http://127.0.0.1/", "ftp://example.org/", "file://localhost/x",
    "https://127.0.0.1/", "https://127.1/", "https://0x7f.1/", "https://0x7f000001/",
    "https://2130706433/", "https://0177.0.0.1/", "https://0/", "https://[::1]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:0:0:1]/",
    "https://[64:ff9b::7f00:1]/", "https://[fe80::1%25lo]/", "https://localhost/",
    "https://LOCALHOST./", "https://169.254.169.254/latest/meta-data/", "https://10.1.2.3/",
    "https://192.168.0.1:8443/", "https://100.64.1.1/", "https://①②⑦.⓪.⓪.①/",
    "https://user@example.org/", "https://user:word@example.org/", "https://a@b@example.org/",
    "https://example.org@127.0.0.1/", "https://127.0.0.1#@example.org/",
    "https://127.0.0.1\\@example.org/", "https://example.org:0/", "https://example.org:99999/",
    "https:///nothing", "//example.org/", "example.org", "", "https://", "https://exa mple.org/",
    "https://[::1/", "https://127.0.0.1%00.example.org/", "https://\ud800.example.org/",
    "https://x\r\nHost: y/",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
async def test_no_spelling_leads_inside(url: str) -> None:
    closed = Transport(connect_seconds=5)
    try:
        reply = await closed.ask(Ask("GET", url))
    finally:
        await closed.close()
    # Names that nobody has may not be looked up; what may never be asked is said to be so.
    assert isinstance(reply, Forbidden | NotSent), reply
    if url.startswith("https://127.") and "%" not in url:
        assert isinstance(reply, Forbidden)


async def test_a_name_is_looked_up_once_for_a_connection_and_the_address_is_what_is_used() -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], [], ["127.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers.pop(0)

    async with fake_services.rapidpro() as fake:
        url = fake.url.replace("127.0.0.1", "sms.example.org")
        fake.service.rule = lambda _request: faults.Answer(200, b"{}", {"Connection": "close"})
        line = transport(resolve=rebinding)
        replies = [await line.ask(Ask("GET", url)) for _ in range(5)]
        await line.close()
        assert [type(reply) for reply in replies] == [
            Answer, Forbidden, Forbidden, Forbidden, Answer,
        ]  # fmt: skip
        assert asked == ["sms.example.org"] * 5
        host = url.removeprefix("http://")
        assert [request.headers["host"] for request in fake.service.requests] == [host, host]


async def test_a_redirect_is_an_answer_and_nothing_more() -> None:
    async with fake_services.rapidpro() as fake:
        fake.service.rule = lambda _request: faults.redirect(f"{fake.url}/elsewhere")
        line = transport()
        reply = await line.ask(Ask("POST", f"{fake.url}/here", body=b"x"))
        await line.close()
        assert isinstance(reply, Answer)
        assert reply.status == 302
        assert [request.path for request in fake.service.requests] == ["/here"]


async def test_a_certificate_that_nobody_vouches_for_is_no_service(tls_port: int) -> None:
    line = transport()
    reply = await line.ask(Ask("POST", f"https://127.0.0.1:{tls_port}/", body=b"secret"))
    await line.close()
    assert reply == NotSent("tls_failed")
