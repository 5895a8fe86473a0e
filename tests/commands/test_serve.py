"""`smsgate serve` as a process: starts, tells, serves, ends, and comes back after a kill."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from tests import make
from tests.make import basic

PASSWORD = "a long enough password"


@contextmanager
def _serving(
    data: Path, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server process; (process, what it printed up to where it serves)."""
    process = _start(data, *words, env=env)
    try:
        yield process, _greeting(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _start(
    data: Path, *words: str, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SMSGATE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "smsgate", "serve", "--port", "0", "--data", str(data), *words],
        env={**clean, "PYTHONUNBUFFERED": "1", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what is not read line by line is left to `communicate`
    )


def _greeting(process: subprocess.Popen[bytes]) -> str:
    """The first line it prints: that it serves."""
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    assert line.startswith("smsgate serves on"), (line, process.communicate())
    return line


def _address(greeting: str) -> str:
    found = re.search(r"serves on (http://\S+)", greeting)
    assert found is not None, greeting
    return found[1]


def _post(
    address: str, *items: object, password: str = PASSWORD, **headers: str
) -> httpx2.Response:
    return httpx2.post(
        address + "/api/sms",
        json={"messages": items, "updates": []},
        headers={"Authorization": basic("admin", password), **headers},
        trust_env=False,
        timeout=60,
    )


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_the_first_start_shows_its_credentials_once_and_only_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with _serving(data) as (process, greeting):
        process.send_signal(signal.SIGTERM)
        code, rest, _ = _ended(process)
    whole = greeting + rest
    assert code == 0
    passwords = dict(re.findall(r"^  (\w+) +password (\w{20})$", whole, re.MULTILINE))
    assert set(passwords) == {"admin", "gateway"}
    assert f"http://gateway:{passwords['gateway']}@127.0.0.1:" in whole
    for path in (data / "smsgate.db", data / "smsgate.lock"):
        assert path.stat().st_mode & 0o077 == 0
    with _serving(data) as (process, greeting):
        answer = _post(_address(greeting), make.sms(), password=passwords["admin"])
        assert answer.status_code == 200
        process.send_signal(signal.SIGINT)
        code, rest, err = _ended(process)
    assert code == 0
    for password in passwords.values():
        assert password not in greeting + rest + err


def test_an_administrator_of_the_environment_is_made_silently(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    data = tmp_path / "data"
    with _serving(data, env={"SMSGATE_ADMIN_PASSWORD_FILE": str(secret)}) as (process, greeting):
        assert _post(_address(greeting)).status_code == 200
        process.send_signal(signal.SIGTERM)
        code, rest, err = _ended(process)
    assert code == 0
    assert "password" not in greeting + rest
    assert PASSWORD not in greeting + rest + err
    with closing(sqlite3.connect(data / "smsgate.db")) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("admin",)]
    # Another password later keeps the account as it is.
    env = {"SMSGATE_ADMIN_PASSWORD": "something else"}
    with _serving(data, env=env) as (_, greeting):
        address = _address(greeting)
        assert _post(address).status_code == 200
        assert _post(address, password="something else").status_code == 401


def test_a_second_instance_is_turned_away_with_4(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with _serving(data):
        code, out, err = _ended(_start(data))
    assert (code, out) == (4, "")
    assert err.startswith("smsgate: another smsgate uses ")
    assert len(err.splitlines()) == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = _ended(_start(tmp_path / "data", "--port", port))
    assert (code, out) == (1, "")
    assert err == (
        f"smsgate: port {port} is in use: stop what uses it, or choose another with --port\n"
    )
    code, _, err = _ended(_start(tmp_path / "data", "--host", "192.0.2.1"))
    assert code == 1
    assert err.startswith("smsgate: cannot listen on 192.0.2.1 port 0: ")


def test_a_start_that_fails_makes_no_account_whose_password_nobody_saw(tmp_path: Path) -> None:
    forms = tmp_path / "forms"
    forms.mkdir()
    (forms / "X.json").write_text('{"meta":{"code":"OTHER"},"fields":{}}')
    data = tmp_path / "data"
    code, out, err = _ended(_start(data, "--forms", str(forms)))
    assert (code, out) == (1, "")
    assert "X.json" in err
    assert "meta.code" in err
    assert not (data / "smsgate.db").exists()
    with _serving(data) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert "Shown this once" in _ended(process)[1]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = {"SMSGATE_ADMIN_PASSWORD": PASSWORD}
    items = [make.sms() for _ in range(5)]
    with _serving(data, env=env) as (process, greeting):
        address = _address(greeting)
        given = [_post(address, item).json()["messages"] for item in items][-1]
        process.kill()
        assert _ended(process)[0] == -signal.SIGKILL
    with _serving(data, env=env) as (_, greeting):
        again = _post(_address(greeting), *items).json()["messages"]
    assert sorted(one["id"] for one in again) == sorted(one["id"] for one in given)
    with closing(sqlite3.connect(data / "smsgate.db")) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM inbound_messages").fetchone()
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    assert (stored, integrity) == (5, "ok")


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_proxy_says_who_asks_and_how(tmp_path: Path, trusted: bool) -> None:
    env = {"SMSGATE_ADMIN_PASSWORD": PASSWORD, "SMSGATE_LOG_LEVEL": "DEBUG"}
    if trusted:
        env["SMSGATE_TRUSTED_PROXIES"] = "10.0.0.0/8, 127.0.0.1"
    with _serving(tmp_path / "data", env=env) as (process, greeting):
        address = _address(greeting)
        afar = {"X-Forwarded-For": "192.0.2.7"}
        plain = _post(address, **afar, **{"X-Forwarded-Proto": "http"})
        tls = _post(address, **afar, **{"X-Forwarded-Proto": "https"})
        assert plain.status_code == (403 if trusted else 200)
        assert tls.status_code == 200
        httpx2.get(address + "/?token=canary-secret", trust_env=False)
        process.send_signal(signal.SIGTERM)
        code, out, err = _ended(process)
    assert code == 0
    assert "route=/api/sms" in err
    assert "canary-secret" not in out + err
    assert PASSWORD not in out + err
