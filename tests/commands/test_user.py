"""`smsgate user`: accounts, with their outputs and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Run


def test_an_account_is_added_listed_and_removed(run: Run) -> None:
    added = run("user", "add", "nurse", "--role", "data_entry", "--role", "gateway")
    assert (added.code, added.err) == (0, "")
    first, second = added.out.splitlines()
    assert first == "added nurse"
    assert second.startswith("password, shown this once: ")
    assert len(second.rpartition(" ")[2]) == 20
    assert run("user", "list").out == "nurse  data_entry, gateway\n"
    removed = run("user", "remove", "nurse")
    assert (removed.code, removed.out) == (0, "removed nurse\n")
    assert run("user", "list").out == ""


def test_a_given_password_is_read_and_not_shown(run: Run) -> None:
    add = ("user", "add", "nurse", "--role", "gateway", "--password-stdin")
    added = run(*add, given=b"my own password\n")
    assert (added.code, added.out) == (0, "added nurse\n")
    change = ("user", "password", "nurse", "--password-stdin")
    changed = run(*change, given=b"another password\n")
    assert changed.out == "changed the password of nurse\n"
    assert "shown this once" in run("user", "password", "nurse").out


FAILURES = [
    (("user", "add", "Nurse", "--role", "gateway"), "lower-case letters"),
    (("user", "add", "", "--role", "gateway"), "lower-case letters"),
    (("user", "add", "a:b", "--role", "gateway"), "lower-case letters"),
    (("user", "add", "x", "--role", "queen"), "there is no role 'queen'; there are admin,"),
    (("user", "add", "taken", "--role", "gateway"), "there is an account 'taken' already"),
    (("user", "remove", "nobody"), "there is no account 'nobody'"),
    (("user", "password", "nobody"), "there is no account 'nobody'"),
]


@pytest.mark.parametrize(("words", "told"), FAILURES)
def test_what_cannot_be_done_is_told_in_one_line(
    run: Run, words: tuple[str, ...], told: str
) -> None:
    run("user", "add", "taken", "--role", "gateway")
    ended = run(*words)
    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err
    assert ended.err.startswith("smsgate: ")
    assert len(ended.err.splitlines()) == 1


def test_a_short_password_is_refused(run: Run) -> None:
    add = ("user", "add", "x", "--role", "gateway", "--password-stdin")
    ended = run(*add, given=b"short\n")
    assert (ended.code, ended.err) == (1, "smsgate: a password has at least 8 characters\n")


USAGE = [
    (),
    ("user",),
    ("user", "add", "x"),
    ("user", "dance"),
    ("nothing",),
    ("serve", "--port", "99999"),
    ("serve", "--port", "x"),
    ("serve", "--port", "1" * 5000),
    ("settings", "put"),
    ("settings", "put", "f", "--replace", "--overwrite"),
    ("--data",),
]


@pytest.mark.parametrize("words", USAGE)
def test_wrong_usage_is_exit_code_2_and_one_line(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words, where=None)
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert "--help" in ended.err


@pytest.mark.parametrize(
    "words",
    [(), ("serve",), ("migrate",), ("user",), ("user", "add"), ("settings",), ("settings", "put"),
     ("doctor",), ("simulate", "phone")],
)  # fmt: skip
def test_every_command_helps(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words, "--help", where=None)
    assert ended.code == 0
    assert ended.out.startswith("usage: smsgate")


def test_the_version_is_told(run: Run) -> None:
    assert run("--version", where=None).out.startswith("smsgate ")


def test_without_a_database_a_command_says_what_to_do(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    ended = run("user", "list", where=empty)
    assert ended.code == 1
    assert ended.err == (
        f"smsgate: there is no database in {empty}: run `smsgate serve` or `smsgate migrate`"
        " first\n"
    )
