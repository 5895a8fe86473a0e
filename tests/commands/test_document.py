"""`smsgate settings`, `migrate` and `doctor`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from smsgate import lock
from tests.commands.conftest import Run


def _write(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "file.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_a_document_is_put_and_got(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("settings", "get").out) == {}
    put = run("settings", "put", _write(tmp_path, '{"locale":"sw","nom":"caf\u00e9"}'))
    assert (put.code, put.out) == (0, "settings changed\n")
    got = json.loads(run("settings", "get").out)
    assert (got["locale"], got["nom"]) == ("sw", "caf\u00e9")
    assert "permissions" in got
    again = run("settings", "put", _write(tmp_path, '{"locale":"sw"}'))
    assert again.out == "nothing changed\n"


def test_modes_are_flags(run: Run, tmp_path: Path) -> None:
    run("settings", "put", _write(tmp_path, '{"a":{"b":1},"c":1}'))
    run("settings", "put", _write(tmp_path, '{"a":{"d":1}}'), "--replace")
    assert json.loads(run("settings", "get").out)["a"] == {"d": 1}
    run("settings", "put", _write(tmp_path, '{"a":2}'), "--overwrite")
    assert set(json.loads(run("settings", "get").out)) == {"a", "permissions"}


def test_keys_without_effect_and_warnings_are_listed(run: Run, tmp_path: Path) -> None:
    document = {
        "registrations": [],
        "sms": {"outgoing_service": "medic-gateway", "reply_to": "x"},
        "smsgate": {"colour": 1},
        "locale": "en",
    }
    put = run("settings", "put", _write(tmp_path, json.dumps(document)))
    assert put.code == 0
    assert put.err.splitlines() == [
        "warning: smsgate.colour is not known and has no effect",
        "note: registrations has no effect yet; it is kept",
    ]


def test_a_document_may_come_by_standard_input(run: Run) -> None:
    put = run("settings", "put", "-", given=b'{"locale":"fr"}')
    assert put.out == "settings changed\n"
    assert json.loads(run("settings", "get").out)["locale"] == "fr"


BAD = [
    ('{"a":1,\n  "b":}', "malformed at line 2, column 7: Expecting value"),
    ('{"a":1,\n\n}', "at line 3, column 1"),
    ("", "malformed at line 1, column 1"),
    (b'{"a":"\xff"}', "not UTF-8"),
    ('{"a":NaN}', "malformed"),
    ("[" * 100_000, "nested too deeply"),
    ("[]", "must hold one JSON object"),
    ("5", "must hold one JSON object"),
]


@pytest.mark.parametrize(("text", "told"), BAD)
def test_a_bad_file_is_told_in_one_line_with_the_place(
    run: Run, tmp_path: Path, text: str | bytes, told: str
) -> None:
    ended = run("settings", "put", _write(tmp_path, text))
    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err
    assert "file.json" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert json.loads(run("settings", "get").out) == {}


def test_a_missing_file_is_told(run: Run, tmp_path: Path) -> None:
    ended = run("settings", "put", str(tmp_path / "none"))
    assert ended.code == 1
    assert ended.err.endswith("cannot be read: No such file or directory\n")


def test_migrating_twice_does_nothing_the_second_time(run: Run, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    first = run("migrate", where=fresh)
    assert (first.code, first.out.startswith("schema None -> ")) == (0, True)
    assert (fresh.stat().st_mode & 0o777) == 0o700
    second = run("migrate", where=fresh)
    assert second.out.endswith("nothing to do\n")


def test_a_directory_in_use_is_exit_code_4(run: Run, data: Path) -> None:
    with lock.hold(data):
        for words in (("migrate",), ("serve", "--port", "0")):
            ended = run(*words)
            assert ended.code == 4
            assert f"another smsgate uses {data}" in ended.err
        assert run("user", "list").code == 0  # beside a running server


def _set_schema(data: Path, revision: str) -> None:
    with closing(sqlite3.connect(data / "smsgate.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])


def test_a_newer_schema_is_exit_code_3(run: Run, data: Path) -> None:
    _set_schema(data, "9999")
    commands = (("migrate",), ("serve", "--port", "0"), ("user", "list"), ("settings", "get"))
    for words in commands:
        ended = run(*words)
        assert ended.code == 3, words
        (line,) = [line for line in ended.err.splitlines() if line.startswith("smsgate: ")]
        assert "the database has schema 9999" in line


def test_a_database_without_schema_asks_for_migrate(run: Run, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    sqlite3.connect(bare / "smsgate.db").close()
    ended = run("user", "list", where=bare)
    assert (ended.code, "run `smsgate migrate` first" in ended.err) == (1, True)
    assert "run `smsgate migrate`" in run("doctor", where=bare).out


def test_what_is_no_database_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "smsgate.db").write_bytes(b"this is no database at all" * 100)
    for words in (("user", "list"), ("migrate",), ("settings", "get")):
        ended = run(*words, where=odd)
        assert ended.code == 1, words
        assert len(ended.err.splitlines()) == 1, words
        assert ended.err.startswith("smsgate: ")


def test_a_doctor_finds_a_good_installation_good(run: Run, tmp_path: Path) -> None:
    run("settings", "put", _write(tmp_path, '{"sms":{}}'))
    found = run("doctor")
    assert found.code == 0, found.out
    assert "the database keeps its promises: journal_mode=wal, synchronous=2" in found.out
    assert "WARN  sms.outgoing_service is not set" in found.out
    assert "of the data directory's disk is free" in found.out


def test_a_doctor_finds_what_is_wrong(run: Run, data: Path, tmp_path: Path) -> None:
    nothing = run("doctor", where=tmp_path / "none")
    assert (nothing.code, "there is no database in" in nothing.out) == (0, True)
    _set_schema(data, "9999")
    newer = run("doctor")
    assert newer.code == 1
    assert "FAIL  the database has schema 9999" in newer.out
    away = run("doctor", "http://gateway:x@127.0.0.1:9/api/sms", where=tmp_path / "none")
    assert away.code == 1
    assert "FAIL" in away.out


ENVIRONMENT = [
    ("SMSGATE_PORT", "x"),
    ("SMSGATE_PORT", "-1"),
    ("SMSGATE_PORT", "65536"),
    ("SMSGATE_PORT", "1" * 5000),
    ("SMSGATE_ALLOW_HTTP", "perhaps"),
    ("SMSGATE_LOG_LEVEL", "LOUD"),
    ("SMSGATE_LOG_FORMAT", "xml"),
    ("SMSGATE_TRUSTED_PROXIES", "10.0.0.0/33"),
    ("SMSGATE_TRUSTED_PROXIES", "proxy.example"),
    ("SMSGATE_DATABASE_URL", "mysql://x"),
    ("SMSGATE_DATABASE_URL", "sqlite+aiosqlite:///"),
    ("SMSGATE_DATABASE_URL", "sqlite+aiosqlite:///:memory:"),
    ("SMSGATE_ADMIN_PASSWORD_FILE", "/nonexistent/file"),
    ("SMSGATE_ADMIN_PASSWORD_FILE", "/dev/null"),
]


@pytest.mark.parametrize(("name", "value"), ENVIRONMENT)
def test_a_bad_variable_is_named_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    ended = run("user", "list")
    assert (ended.code, ended.out) == (1, "")
    assert name in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith("smsgate: ")
