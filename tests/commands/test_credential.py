"""`smsgate credential` and `smsgate rotate-key`, and a server that misses its key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Ended, Run
from tests.docs.terminal import asking

SECRET = "canary-secret-91c4"
KEY = "rapidpro:incoming"


def test_a_credential_is_stored_listed_and_removed(run: Run, store_secret: Run) -> None:
    assert store_secret(KEY) == Ended(0, f"stored {KEY}\n", "")
    listed = run("credential", "list").out
    assert re.search(rf"^{KEY} +since \S+Z by cli", listed, re.MULTILINE)
    assert re.search(r"^rapidpro:outgoing +not stored$", listed, re.MULTILINE)
    again = store_secret("rapidpro:incoming", "--keep-hours", "2", given=b"another")
    assert re.fullmatch(rf"stored {KEY}\nthe one before it stays valid until \S+Z\n", again.out)
    assert "; the one before it is valid until" in run("credential", "list").out
    assert run("credential", "remove", KEY) == Ended(0, f"removed {KEY}\n", "")
    assert re.search(rf"^{KEY} +not stored$", run("credential", "list").out, re.MULTILINE)


def test_another_spelling_and_a_key_that_is_nobodys(store_secret: Run) -> None:
    assert store_secret("africastalking:incoming").out == "stored africastalking.com:incoming\n"
    said = store_secret("nobodys:outgoing")
    assert (said.code, said.out) == (0, "stored nobodys:outgoing\n")
    assert said.err == "note: no installed aggregator uses nobodys:outgoing; it is kept\n"


def test_one_line_break_is_the_shells(store_secret: Run, data: Path) -> None:
    # Asked again with the same value, nothing is replaced: so it tells what was stored.
    assert "stays valid" not in store_secret(KEY, given=b"x").out
    for same in (b"x\n", b"x\r\n", b"x"):
        assert "stays valid" not in store_secret(KEY, given=same).out
    assert "stays valid" in store_secret(KEY, given=b"x\n\n").out
    assert (data / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_person_is_asked_and_not_shown(store_secret: Run, data: Path) -> None:
    with asking(["credential", "put", KEY, "--data", str(data)], folder=data) as process:
        process.until("credential (not shown): ")
        process.type(f"{SECRET}\n")
        said = process.rest()
    assert process.code == 0
    assert said == f"credential (not shown): \r\nstored {KEY}\r\n"
    # Given once more it replaces nothing: so it was what was typed.
    assert store_secret(KEY, given=SECRET.encode()) == Ended(0, f"stored {KEY}\n", "")


FAILURES = [
    (("credential", "put", KEY), "say --stdin"),
    (("credential", "put", "a\nb", "--stdin"), "printable characters"),
    (("credential", "put", "", "--stdin"), "printable characters"),
    (("credential", "put", "k" * 257, "--stdin"), "printable characters"),
    (("credential", "remove", "never:there"), "there is no credential never:there"),
]


@pytest.mark.parametrize(("words", "told"), FAILURES)
def test_what_cannot_be_done_is_told_in_one_line(
    run: Run, words: tuple[str, ...], told: str
) -> None:
    ended = run(*words, given=b"x")
    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(("given", "told"), [(b"", "is empty"), (b"\n", "is empty"),
                                             (b"\xff", "text in UTF-8")])  # fmt: skip
def test_what_is_no_credential(store_secret: Run, given: bytes, told: str) -> None:
    ended = store_secret(KEY, given=given)
    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err


USAGE = [
    ("credential",),
    ("credential", "show", KEY),
    ("credential", "put"),
    ("credential", "put", KEY, "--keep-hours", "soon"),
    ("credential", "put", KEY, "--keep-hours", "-1"),
    ("credential", "put", KEY, "--keep-hours", "nan"),
    ("credential", "remove"),
    ("credential", "remove", KEY, "--lost"),
    ("rotate-key", "now"),
]


@pytest.mark.parametrize("words", USAGE)
def test_wrong_usage(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1


def test_the_key_is_exchanged(run: Run, store_secret: Run, data: Path) -> None:
    store_secret(KEY)
    before = (data / "secret.key").read_text()
    ended = run("rotate-key")
    assert (ended.code, ended.err) == (0, "")
    added, sealed, dropped, note = ended.out.splitlines()
    assert added.startswith("added the key ")
    assert sealed.startswith("sealed 1 with the key ")
    assert dropped.startswith("dropped the keys before it from ")
    assert "Copies of the database made before now" in note
    assert (data / "secret.key").read_text() != before
    assert "CANNOT" not in run("credential", "list").out


def test_a_key_file_elsewhere(
    run: Run, store_secret: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "mounted.key"
    monkeypatch.setenv("SMSGATE_SECRET_KEY_FILE", str(elsewhere))
    ended = store_secret(KEY)
    assert ended.code == 1
    found = re.search(r"make a first one with `(.+)`$", ended.err.strip())
    assert found is not None, ended.err
    subprocess.run(["bash", "-c", found[1]], check=True)  # what it says, word for word
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    assert store_secret(KEY).code == 0
    assert not (data / "secret.key").exists()


def test_a_server_without_its_key_does_not_start(run: Run, store_secret: Run, data: Path) -> None:
    store_secret(KEY)
    away = data / "secret.key.away"
    (data / "secret.key").rename(away)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SMSGATE_")}
    command = [sys.executable, "-m", "smsgate", "serve", "--port", "0", "--data", str(data)]
    done = subprocess.run(
        command, env=clean, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"smsgate: credentials are sealed with the key \w+, which is not in \S+: put the key file"
        r" back .*\n",
        done.stderr,
    )
    assert run("user", "list").out == ""  # no account whose password nobody saw
    assert not (data / "secret.key").exists()
    assert "CANNOT BE OPENED" in run("credential", "list").out
    refused = store_secret(KEY, given=b"other")
    assert refused.code == 1
    assert run("rotate-key").code == 1
    # Given up by hand, everything goes on.
    assert run("credential", "remove", "--lost").out == f"removed {KEY}\n"
    assert run("credential", "remove", "--lost") == Ended(0, "", "")
    assert store_secret(KEY).code == 0


def test_no_command_tells_a_secret(run: Run, store_secret: Run, data: Path) -> None:
    said = [
        store_secret(KEY),
        store_secret(KEY, given=SECRET.encode() + b"2"),
        run("credential", "list"),
    ]
    said += [run("rotate-key"), run("doctor"), run("credential", "remove", KEY)]
    words = "".join(each.out + each.err for each in said)
    keys = [line for line in (data / "secret.key").read_text().splitlines() if line[0] != "#"]
    for secret in (SECRET, *keys):
        assert secret not in words
