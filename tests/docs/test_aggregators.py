"""`docs/aggregators.md`, followed word for word against the stand-ins."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from smsgate.aggregators import africastalking, rapidpro, rapidpro_channel
from smsgate.fakes.africastalking import STATUS_OF
from tests.docs.reading import Block, blocks, codes, page, rows, section
from tests.docs.terminal import Process, Terminal, process

PAGE = page("aggregators.md")
SMSGATE_URL = "http://127.0.0.1:5988"
SAMPLE = "+254711000001"


def part(heading: str) -> list[Block]:
    return blocks(section(PAGE, heading))


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[tuple[Process, Terminal]]:
    """smsgate on a fresh data directory, and a terminal beside it."""
    arguments = ["serve", "--port", "0"]
    with process(arguments, folder=folder, until="/api/sms\n", **environment) as server:
        instead = {
            SMSGATE_URL: server.url,
            "ADMIN_PASSWORD='as printed'": f"ADMIN_PASSWORD='{server.passwords['admin']}'",
        }
        with Terminal(folder, instead, **environment) as terminal:
            yield server, terminal


@contextmanager
def stand_in(block: Block, folder: Path, port: str, terminal: Terminal) -> Iterator[Process]:
    """The stand-in as the page starts it, on a port the kernel chose."""
    words = shlex.split(block.text.replace(SMSGATE_URL, terminal.instead[SMSGATE_URL]))
    environment = dict(word.split("=", 1) for word in words if "=" in word)
    command = [word for word in words if "=" not in word]
    assert command[0] == ".venv/bin/smsgate"
    arguments = [*command[1:], "--port", port]
    with process(arguments, folder=folder, until="Ctrl-C ends it.\n", **environment) as fake:
        yield fake


def free_port() -> str:
    """A port that the page's settings can name before the stand-in is there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def answered(steps: list[Block], place: int) -> tuple[str, str]:
    """A command, and what the page shows below it."""
    command, shown = steps[place : place + 2]
    assert (command.language, shown.language) == ("bash", "text")
    return command.text, shown.text


def in_the_end(terminal: Terminal, steps: list[Block], place: int, after: tuple[str, ...]) -> bool:
    """Whether a message comes to what the page shows, out of the states before it."""
    command, shown = answered(steps, place)
    while (said := terminal.paste(command)).startswith(after):
        pass  # what was said is written down in a moment
    return said == shown


@pytest.mark.slow
def test_a_text_and_its_reply_through_africas_talking(tmp_path: Path) -> None:
    steps = part("Africa's Talking on your own machine")
    port = free_port()
    with served(tmp_path) as (server, terminal):
        terminal.instead["http://127.0.0.1:5989"] = f"http://127.0.0.1:{port}"
        assert steps[0].text == "make serve\n"
        for place in (1, 3):
            command, shown = answered(steps, place)
            assert terminal.paste(command) == shown
        with stand_in(steps[5], tmp_path, port, terminal) as fake:
            command, shown = answered(steps, 6)
            assert terminal.paste(command) == shown
            assert steps[8].language == "text"
            said = fake.until(steps[8].text.splitlines()[-1])
            for line in steps[8].text.splitlines():
                assert line in said
            assert in_the_end(terminal, steps, 9, after=("pending", "sent"))
        (record,) = httpx2.get(
            f"{server.url}/api/v1/messages?direction=inbound",
            auth=("admin", server.passwords["admin"]),
            trust_env=False,
        ).json()["data"]
        assert (record["source"], record["form"]) == ("africastalking", "ANC")
        assert record["record"] is not None
        (message,) = httpx2.get(
            f"{server.url}/api/v1/messages?direction=outbound",
            auth=("admin", server.passwords["admin"]),
            trust_env=False,
        ).json()["data"]
        assert message["gateway_ref"].startswith("ATXid_")
        assert len(steps) == 11


@pytest.mark.slow
def test_things_to_try(tmp_path: Path) -> None:
    heading = "Africa's Talking on your own machine"
    steps = part(heading)
    tried = set(codes(section(PAGE, heading).rpartition("Things to try from here")[2]))
    port = free_port()
    with served(tmp_path) as (_, terminal):
        terminal.instead["http://127.0.0.1:5989"] = f"http://127.0.0.1:{port}"
        terminal.paste(steps[1].text + steps[3].text)

        def comes_to(number: str, state: str) -> None:
            assert f"--from {number}" in tried or number == "+254711000001"
            assert SAMPLE in steps[6].text
            terminal.paste(steps[6].text.replace(SAMPLE, number))
            command = steps[9].text.replace(SAMPLE[1:], number[1:])
            while not (said := terminal.paste(command)).startswith(state):
                assert said.startswith(("pending", "sent")), said

        with stand_in(steps[5], tmp_path, port, terminal):
            comes_to("+254711000403", "failed")
            once = steps[6].text.partition(" \\\n")[0]
            assert "--opt-out +254711000001" in tried
            terminal.paste(f"{once} --opt-out +254711000001")
            comes_to("+254711000001", "denied")
            comes_to("+254711000405", "pending")
            assert {"smsgate route list", "smsgate route resume africastalking"} <= tried
            while "InsufficientBalance" not in terminal.paste(".venv/bin/smsgate route list"):
                pass
            terminal.paste(".venv/bin/smsgate route resume africastalking")
        terminal.paste(".venv/bin/smsgate message cancel --state pending --yes")
        losing = Block("sh", steps[5].text.replace("\n", " --drop-rate 1\n"))
        with stand_in(losing, tmp_path, port, terminal):
            terminal.paste(".venv/bin/smsgate route resume africastalking")
            terminal.paste(steps[6].text.replace(SAMPLE, "+254711000002"))
            command = steps[9].text.replace(SAMPLE[1:], "254711000002")
            while not terminal.paste(command).startswith("unknown"):
                pass


@pytest.mark.slow
def test_a_text_and_its_reply_through_rapidpro(tmp_path: Path) -> None:
    steps = part("RapidPro on your own machine")
    port = free_port()
    with served(tmp_path) as (_, terminal):
        terminal.instead["http://127.0.0.1:5990"] = f"http://127.0.0.1:{port}"
        assert steps[0].text == "make serve\n"
        command, shown = answered(steps, 1)
        assert terminal.paste(command) == shown
        with stand_in(steps[3], tmp_path, port, terminal) as fake:
            command, shown = answered(steps, 4)
            assert terminal.paste(command) == shown
            fake.until(steps[6].text)
            assert in_the_end(terminal, steps, 7, after=("pending",))
        assert len(steps) == 9


@pytest.mark.slow
def test_a_text_of_couriers_and_what_it_is_told(database_url: str, tmp_path: Path) -> None:
    steps = part("A channel of RapidPro on your own machine")
    port = free_port()
    own = {"SMSGATE_DATABASE_URL": database_url} if "postgres" in database_url else {}
    with served(tmp_path, **own) as (_, terminal):
        terminal.instead["http://127.0.0.1:5995"] = f"http://127.0.0.1:{port}"
        assert steps[0].text == "make serve\n"
        command, shown = answered(steps, 1)
        assert terminal.paste(command) == shown
        with stand_in(steps[3], tmp_path, port, terminal) as fake:
            for place in (4, 6):
                command, shown = answered(steps, place)
                assert terminal.paste(command) == shown
            assert steps[8].language == "bash"
            terminal.paste(steps[8].text)
            fake.until(steps[9].text)
        assert len(steps) == 10


@pytest.mark.slow
def test_a_channel_as_the_page_has_it(tmp_path: Path) -> None:
    heading = "smsgate as a channel of RapidPro"
    first = next(block for block in blocks(PAGE) if block.language == "bash")
    with served(tmp_path) as (server, terminal):
        terminal.paste(first.text)
        for block in part(heading):
            if block.language == "bash":
                said = terminal.paste(block.text)
                assert '"error"' not in said, said
        key = terminal.paste('printf %s "$INCOMING_KEY"')
        fields = dict(rows(section(PAGE, heading)))
        url = fields["URL"].strip("`").replace("https://sms.example.org", server.url)
        (template,) = (block.text for block in part(heading) if block.language == "text")
        body = template.strip()
        for name, value in (("id", "10"), ("text", "Jambo"), ("to", "%2B254711000001")):
            body = body.replace(f"{{{{{name}}}}}", value)
        kind = fields["content type"].strip("`")
        headers = {"Content-Type": kind, "Authorization": f"Token {key}"}
        assert fields["Authorization"].startswith("`Token KEY`")
        answer = httpx2.request(
            fields["method"].strip("`"), url, content=body, headers=headers, trust_env=False
        )
        assert answer.status_code == 200
        assert fields["MT response check"].split("`")[1] in answer.text
        auth = ("admin", server.passwords["admin"])
        listed = httpx2.get(
            f"{server.url}/api/v1/messages?direction=outbound", auth=auth, trust_env=False
        ).json()["data"]
        assert [(one["to"], one["content"]) for one in listed] == [("+254711000001", "Jambo")]
        told = [cell.strip("`") for cells in rows(section(PAGE, heading)) for cell in cells]
        for word in rapidpro_channel.WORD_OF.values():
            assert any(word in cell for cell in told)


@pytest.mark.slow
@pytest.mark.parametrize("heading", ["Africa's Talking", "RapidPro"])
def test_a_real_account_as_the_page_has_it(heading: str, tmp_path: Path) -> None:
    first = next(block for block in blocks(PAGE) if block.language == "bash")
    with served(tmp_path) as (server, terminal):
        terminal.paste(first.text)
        for title in (heading, "When a route is paused", "When the outcome is unknown"):
            for block in part(title):
                if block.language == "bash":
                    said = terminal.paste(block.text)
                    assert '"error"' not in said, said
        auth = ("admin", server.passwords["admin"])
        settings = httpx2.get(f"{server.url}/api/v1/settings", auth=auth, trust_env=False).json()
        name = heading.replace("'", "").replace(" ", "").lower()
        assert settings["sms"]["outgoing_service"] == name
        kept = httpx2.get(f"{server.url}/api/v1/credentials", auth=auth, trust_env=False).json()
        prefix = {"africastalking": "africastalking.com"}.get(name, name)
        text = json.dumps(kept)
        assert f"{prefix}:incoming" in text
        assert f"{prefix}:outgoing" in text
        # The key that was printed opens the address in the page's table.
        key = terminal.paste('printf %s "$INCOMING_KEY"')
        for url in _callback_urls(section(PAGE, heading)):
            called = url.replace("https://sms.example.org", server.url).replace("KEY", key)
            headers = {"Authorization": f"Token {key}"}
            answer = httpx2.post(called, headers=headers, json={}, trust_env=False)
            assert answer.status_code in (200, 400), answer.text
            wrong = called.replace(key, "wrong")
            headers = {"Authorization": "Token wrong"}
            assert httpx2.post(wrong, headers=headers, json={}, trust_env=False).status_code == 403


def _callback_urls(text: str) -> list[str]:
    found = [cell.strip("`") for cells in rows(text) for cell in cells]
    return [cell for cell in found if cell.startswith("https://sms.example.org/api/")]


def test_every_word_of_africas_talking_is_explained() -> None:
    text = section(PAGE, "Africa's Talking")
    for word in (*STATUS_OF.values(), *africastalking.STATE_OF):
        assert f"`{word}`" in text
    by_word = {word.strip("` "): cells[1] for cells in rows(text) for word in cells[0].split(",")}
    for word, state in africastalking.STATE_OF.items():
        assert by_word[word].startswith(f"`{state}`")


def test_every_word_of_rapidpro_is_explained() -> None:
    text = section(PAGE, "RapidPro")
    for cells in rows(text):
        for word in cells[0].split(","):
            plain = word.split(" (")[0].strip("` ")
            if plain in rapidpro.STATE_OF:
                assert cells[1] == f"`{rapidpro.STATE_OF[plain]}`"
