"""`smsgate fake` as an operator runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx2
import pytest

from smsgate.cli import main
from smsgate.fakes.courier import CHANNEL
from tests.docs.reading import ROOT

SMSGATE = [sys.executable, "-m", "smsgate"]


class Smsgate(BaseHTTPRequestHandler):
    """Takes callbacks and says so."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, body.decode()))  # type: ignore[attr-defined]  # set below
        status = 403 if "wrong" in self.path else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"saved":1}')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def smsgate() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    server = HTTPServer(("127.0.0.1", 0), Smsgate)
    heard: list[tuple[str, str]] = []
    server.heard = heard  # type: ignore[attr-defined]  # where its handler looks
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, its address, and what it printed before it waits."""
    command = [*SMSGATE, "fake", *words, "--port", "0"]
    environment = {**os.environ, "INCOMING_KEY": "k&y"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            found = re.search(r"on (http://\S+):", said)
            assert found is not None
            yield process, found[1], said
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return out.splitlines()


def text(url: str, to: str = "+254711000001") -> httpx2.Response:
    return httpx2.post(
        f"{url}/version1/messaging",
        data={"username": "sandbox", "to": to, "message": "a secret"},
        headers={"apiKey": "fake-key"},
        trust_env=False,
    )


def test_africas_talking_for_trials(smsgate: tuple[str, list[tuple[str, str]]]) -> None:
    where, heard = smsgate
    with running("africastalking", "--callback", where, "--latency", "1") as (process, url, said):
        settings = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
        assert settings["smsgate"]["routes"]["africastalking"] == {
            "url": url,
            "allow": ["127.0.0.0/8"],
        }
        assert text(url).status_code == 201
        text(url, "+254711000405")
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        lines += ended(process)
    assert sorted(lines[:4]) == [
        "POST /version1/messaging: 201",
        "POST /version1/messaging: 201",
        "posted: delivery report Submitted: 200",
        "posted: delivery report Success: 200",
    ]
    assert lines[4:] == [
        "calls answered 201: 2",
        "callbacks answered 200: 2",
        "messages taken: 1",
        "different messages: 1",
        "taken more than once: 0",
    ]
    assert {path for path, _ in heard} == {"/api/v1/sms/africastalking/delivery-reports?key=k%26y"}


@pytest.mark.parametrize(
    ("options", "outcome"),
    [(["--drop-rate", "1"], "reset"), (["--error-rate", "1"], "500"), (["--seed", "4"], "201")],
)
def test_what_goes_wrong_on_demand(options: list[str], outcome: str) -> None:
    with running("africastalking", *options, "--show") as (process, url, _):
        try:
            assert str(text(url).status_code) == outcome
        except httpx2.ReadError:
            assert outcome == "reset"
        lines = ended(process)
    assert lines[:2] == [
        f"POST /version1/messaging: {outcome}",
        "  to +254711000001: 'a secret'",
    ]


def test_rapidpro_for_trials() -> None:
    with running("rapidpro", "--api", "v9", "--quiet") as (process, url, said):
        settings = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
        assert settings["sms"] == {"outgoing_service": "rapidpro", "rapidpro": {"url": url}}
        made = httpx2.post(
            f"{url}/api/v2/broadcasts.json",
            json={"urns": ["tel:+254711000001"], "text": "x"},
            headers={"Authorization": "Token fake-key"},
            trust_env=False,
        ).json()
        assert made["status"] == "queued"
        assert ended(process)[0] == "calls answered 201: 1"


@pytest.mark.parametrize(
    ("kind", "path", "body", "headers", "answered"),
    [
        ("twilio", "/2010-04-01/Accounts/AC1/Messages.json", {"To": "+1"}, {}, 401),
        ("kannel", "/cgi-bin/sendsms?username=smsgate&password=fake-key&to=%2B1", None, {}, 202),
        ("jasmin", "/send", {"username": "smsgate", "password": "fake-key", "to": "+1"}, {}, 200),
        ("nepal-doit", "/api/sms", {}, {}, 401),
        ("courier", f"/c/ex/{CHANNEL}/sent", {"id": "1"}, {}, 200),
    ],
)
def test_the_others_for_trials(
    kind: str, path: str, body: dict[str, str] | None, headers: dict[str, str], answered: int
) -> None:
    with running(kind, "--quiet") as (process, url, said):
        json.loads(next(line for line in said.splitlines() if line.startswith("{")))
        method = "GET" if body is None else "POST"
        answer = httpx2.request(method, url + path, data=body, headers=headers, trust_env=False)
        assert answer.status_code == answered
        assert ended(process)[0] == f"calls answered {answered}: 1"


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (
            ["africastalking", "--send", "hi", "--from", "+1"],
            "/api/v1/sms/africastalking/incoming-messages?key=right",
            "from=%2B1",
        ),
        (
            ["africastalking", "--opt-out", "+2"],
            "/api/v1/sms/africastalking/opt-outs?key=right",
            "phoneNumber=%2B2",
        ),
        (
            ["rapidpro", "--send", "hi"],
            "/api/v2/sms/rapidpro/incoming-messages",
            '"from": "+254711000001"',
        ),
        (
            ["twilio", "--send", "hi"],
            "/api/v1/sms/twilio/incoming-messages",
            "From=%2B254711000001",
        ),
        (
            ["jasmin", "--send", "नम", "--from", "+1"],
            "/api/v1/sms/jasmin/incoming-messages?key=right",
            "binary=0928092e",
        ),
        (
            ["courier", "--send", "hi", "--to", "+2", "--id", "7"],
            "/api/v1/sms/rapidpro-channel/outgoing-messages",
            "id=7&text=hi&to=%2B2",
        ),
    ],
)
def test_one_callback(
    smsgate: tuple[str, list[tuple[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    path: str,
    body: str,
) -> None:
    where, heard = smsgate
    monkeypatch.setenv("THEIRS", "right")
    assert main(["fake", *words, "--callback", where, "--incoming-key-env", "THEIRS"]) == 0
    assert capsys.readouterr().out == 'smsgate answered 200: {"saved":1}\n'
    ((called, sent),) = heard
    assert called == path
    assert body in sent


@pytest.mark.parametrize(
    ("words", "key", "code", "says"),
    [
        (["--send", "hi"], "k", 1, "smsgate: say with --callback where smsgate is"),
        (
            ["--send", "hi", "--callback", "http://127.0.0.1:1"],
            None,
            1,
            "smsgate: put the incoming key into the environment variable INCOMING_KEY",
        ),
        (["--send", "hi", "--callback", "http://127.0.0.1:1"], "k", 1, "smsgate did not answer"),
        (["--port", "1", "--host", "192.0.2.1"], "k", 1, "smsgate: cannot listen on 192.0.2.1"),
        (["--callback", "here"], "k", 2, "must be an address such as http://127.0.0.1:5988"),
        (["--fail-rate", "2"], "k", 2, "must be a number from 0 to 1"),
        (["--latency", "x"], "k", 2, "must be a number from 0 to 3.6e+06"),
        (["--shuffle", "1.5"], "k", 2, "must be a whole number"),
        (["--port", "70000"], "k", 2, "a port is a number from 0 to 65535"),
    ],
)
def test_what_cannot_be_done(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    key: str | None,
    code: int,
    says: str,
) -> None:
    monkeypatch.delenv("INCOMING_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("INCOMING_KEY", key)
    with pytest.raises(SystemExit) as ending:
        sys.exit(main(["fake", "africastalking", *words]))
    assert ending.value.code == code
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1


def test_a_refusal_is_told(
    smsgate: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCOMING_KEY", "wrong")
    words = ["fake", "africastalking", "--send", "hi", "--callback", smsgate[0]]
    assert main(words) == 1
