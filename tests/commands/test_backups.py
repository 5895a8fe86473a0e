"""`smsgate backup` and `restore` on SQLite: what is refused, what is kept, what it says."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from smsgate import lock, manifest
from smsgate.store import schema
from smsgate.store.engine import migrating_engine
from tests.commands.conftest import Run

Spoil = Callable[[Path], object]


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def ask(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def mark(data: Path, name: str) -> None:
    """Make a database known again by an account."""
    execute(
        data / "smsgate.db",
        f"INSERT INTO users VALUES ('{name}', 'hash', '[]', 1, 0, 0)",
    )


def accounts(file: Path) -> set[str]:
    return {str(name) for (name,) in ask(file, "SELECT name FROM users")}


@pytest.fixture
def made(run: Run, data: Path, tmp_path: Path) -> Path:
    """A backup in which the account `before` is, of a database that has `after` by now."""
    mark(data, "before")
    file = tmp_path / "copies" / "b.db"
    file.parent.mkdir()
    assert run("backup", "--to", str(file)).code == 0
    mark(data, "after")
    return file


def test_a_backup_is_a_whole_database_with_its_manifest(run: Run, data: Path, made: Path) -> None:
    assert ask(made, "PRAGMA integrity_check") == [("ok",)]
    assert ask(made, "PRAGMA journal_mode") == [("delete",)]
    assert {file.name for file in made.parent.iterdir()} == {"b.db", "b.db.json"}
    assert {file.stat().st_mode & 0o777 for file in made.parent.iterdir()} == {0o600}
    said = manifest.read(manifest.beside(made).read_bytes())
    assert said is not None
    assert (said.engine, said.schema, said.rows["users"]) == ("sqlite", schema.head(), 1)
    assert (said.size, said.sha256) == manifest.digest(made)
    ((at, details),) = ask(
        data / "smsgate.db", "SELECT at, details FROM milestones WHERE name = 'backup'"
    )
    assert at == said.at.timestamp() * 1000 // 1
    assert json.loads(str(details))["size"] == said.size
    assert ask(made, "SELECT count(*) FROM milestones") == [(0,)]


def test_it_says_that_the_key_is_apart(run: Run, tmp_path: Path) -> None:
    ended = run("backup", "--to", str(tmp_path / "b.db"))
    assert "key file of the credentials is not in it" in ended.out
    assert ended.err == ""


def test_nothing_is_overwritten(run: Run, made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    again = run("backup", "--to", str(made))
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "overwrites nothing" in again.err
    assert made.read_bytes() == before
    (tmp_path / "c.db.json").write_text("{}")
    assert run("backup", "--to", str(tmp_path / "c.db")).code == 1
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert run("backup", "--to", str(tmp_path / "link")).code == 1
    assert not (tmp_path / "c.db").exists()


def test_where_it_cannot_be_written_it_says_so(run: Run, tmp_path: Path) -> None:
    ended = run("backup", "--to", str(tmp_path / "no" / "b.db"))
    assert (ended.code, ended.err) == (
        1,
        f"smsgate: there is no folder {tmp_path / 'no'}: make it first\n",
    )
    ended = run("backup", "--to", str(tmp_path / "b.db"), where=tmp_path / "empty")
    assert "there is no database" in ended.err
    assert list(tmp_path.glob(".b.db*")) == []


def test_a_damaged_database_gives_no_backup(run: Run, data: Path, tmp_path: Path) -> None:
    execute(
        data / "smsgate.db",
        "PRAGMA foreign_keys=OFF",
        "INSERT INTO records VALUES ('r', 'nobody', NULL, NULL, 1, '{}', 0, 0)",
    )
    ended = run("backup", "--to", str(tmp_path / "b.db"))
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "foreign_key_check fails" in ended.err
    assert not list(tmp_path.glob("*b.db*"))


def test_a_database_before_its_upgrade_can_be_backed_up(
    run: Run, data: Path, tmp_path: Path
) -> None:
    older(data / "smsgate.db")
    ended = run("backup", "--to", str(tmp_path / "b.db"))
    assert ended.code == 0
    assert "metrics will not know" in ended.err
    execute(data / "smsgate.db", "UPDATE alembic_version SET version_num = '9999'")
    assert run("backup", "--to", str(tmp_path / "c.db")).code == 3


def older(file: Path) -> None:
    """Take a database back to the schema before the last."""

    async def down() -> None:
        engine = migrating_engine(f"sqlite+aiosqlite:///{file}")
        async with engine.begin() as connection:
            await connection.run_sync(lambda c: command.downgrade(schema.config(c), "0004"))
        await engine.dispose()

    asyncio.run(down())


def test_a_restore_brings_back_and_keeps_aside(run: Run, data: Path, made: Path) -> None:
    ended = run("restore", str(made))
    assert (ended.code, ended.err) == (0, "")
    assert "no route had to be paused" in ended.out
    assert "texts that phones handed over since then are gone" in ended.out
    assert accounts(data / "smsgate.db") == {"before"}
    (aside,) = data.glob("smsgate.db.before-*")
    assert str(aside) in ended.out
    assert accounts(aside) == {"before", "after"}
    assert (data / "smsgate.db").stat().st_mode & 0o777 == 0o600
    assert not list(data.glob(".*"))
    ((action,),) = ask(data / "smsgate.db", "SELECT action FROM audit")
    assert action == "restore"
    assert run("restore", str(made)).code == 0
    assert len(list(data.glob("smsgate.db.before-*"))) == 2
    assert run("user", "list").code == 0


def test_a_restore_needs_nothing_to_be_there(run: Run, made: Path, tmp_path: Path) -> None:
    where = tmp_path / "new"
    ended = run("restore", str(made), where=where)
    assert ended.code == 0, ended.err
    assert "kept" not in ended.out
    assert accounts(where / "smsgate.db") == {"before"}
    assert where.stat().st_mode & 0o777 == 0o700


def test_what_the_log_still_held_is_kept_aside_too(run: Run, data: Path, made: Path) -> None:
    # As a killed server leaves it.
    left = sqlite3.connect(data / "smsgate.db", isolation_level=None)
    left.execute("PRAGMA journal_mode=WAL")
    left.execute("INSERT INTO users VALUES ('logged', 'hash', '[]', 1, 0, 0)")
    assert (data / "smsgate.db-wal").stat().st_size > 0
    assert run("restore", str(made)).code == 0
    left.close()
    (aside,) = (file for file in data.glob("smsgate.db.before-*") if file.name[-1].isdigit())
    assert "logged" in accounts(aside)
    assert accounts(data / "smsgate.db") == {"before"}


def test_an_older_backup_is_brought_up_to_date(run: Run, data: Path, tmp_path: Path) -> None:
    older(data / "smsgate.db")
    file = tmp_path / "old.db"
    assert run("backup", "--to", str(file)).code == 0
    ended = run("restore", str(file))
    assert ended.code == 0
    assert f"schema 0004 -> {schema.head()}" in ended.out
    assert ask(data / "smsgate.db", "SELECT version_num FROM alembic_version") == [(schema.head(),)]


def test_while_it_is_in_use_nothing_is_restored(run: Run, data: Path, made: Path) -> None:
    with lock.hold(data):
        ended = run("restore", str(made))
    assert ended.code == 4
    assert accounts(data / "smsgate.db") == {"before", "after"}


def _cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 4096)


def _flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def _newer(file: Path) -> None:
    execute(file, "UPDATE alembic_version SET version_num = '9999'")


def _foreign(file: Path) -> None:
    file.unlink()
    execute(file, "CREATE TABLE x (a)")


def _say(file: Path, **changes: object) -> None:
    place = manifest.beside(file)
    said = json.loads(place.read_text())
    size, sha256 = manifest.digest(file)
    place.write_text(json.dumps({**said, "size": size, "sha256": sha256, **changes}))


def _both(first: Spoil) -> Spoil:
    """Spoil a backup, and have its manifest agree."""

    def spoil(file: Path) -> None:
        first(file)
        _say(file)

    return spoil


def _log_beside(file: Path) -> None:
    file.with_name(file.name + "-wal").write_bytes(b"x")


SPOILT: list[tuple[str, Spoil, str, int]] = [
    ("cut off", _cut, "not what was backed up", 1),
    ("one bit", _flip, "not what was backed up", 1),
    ("empty", lambda file: file.write_bytes(b""), "not what was backed up", 1),
    ("gone", lambda file: file.unlink(), "there is no file", 1),
    ("no manifest", lambda file: manifest.beside(file).unlink(), "--without-manifest", 1),
    ("no json", lambda file: manifest.beside(file).write_text("x"), "no manifest that", 1),
    ("other engine", lambda file: _say(file, engine="postgresql"), "backup of postgresql", 1),
    ("other rows", lambda file: _say(file, rows={"users": 5}), "does not hold what", 1),
    ("newer manifest", lambda file: _say(file, schema="9999"), "schema 9999", 3),
    ("newer", _both(_newer), "schema 9999", 3),
    ("foreign", _both(_foreign), "no database of smsgate's", 1),
    ("text", _both(lambda file: file.write_text("x" * 99)), "no SQLite", 1),
    ("cut, resigned", _both(_cut), "use another backup", 1),
    ("in use", _log_beside, "a database in use", 1),
]


@pytest.mark.parametrize(
    ("spoil", "said", "code"), [one[1:] for one in SPOILT], ids=[one[0] for one in SPOILT]
)
def test_what_is_no_sound_backup_is_refused_in_a_line(
    run: Run, data: Path, made: Path, spoil: Spoil, said: str, code: int
) -> None:
    spoil(made)
    before = {file.name for file in data.iterdir()} | {"smsgate.lock"}
    ended = run("restore", str(made))
    assert (ended.code, ended.err.count("\n"), ended.out) == (code, 1, ""), ended.err
    assert said in ended.err
    assert accounts(data / "smsgate.db") == {"before", "after"}
    assert {file.name for file in data.iterdir()} == before


def test_without_its_manifest_a_backup_is_held_to_its_own_checks(
    run: Run, data: Path, made: Path
) -> None:
    manifest.beside(made).unlink()
    ended = run("restore", str(made), "--without-manifest")
    assert ended.code == 0
    assert "a time that is not known" in ended.out
    assert accounts(data / "smsgate.db") == {"before"}
    _cut(made)
    assert run("restore", str(made), "--without-manifest").code == 1
    assert accounts(data / "smsgate.db") == {"before"}


def test_credentials_whose_key_is_not_here_are_told(
    run: Run, store_secret: Run, data: Path, tmp_path: Path
) -> None:
    assert store_secret("rapidpro:outgoing").code == 0
    file = tmp_path / "b.db"
    assert run("backup", "--to", str(file)).code == 0
    raw = file.read_bytes()
    assert b"canary-secret-91c4" not in raw
    assert (data / "secret.key").read_bytes().split()[-1] not in raw
    assert run("restore", str(file)).err == ""
    (data / "secret.key").unlink()
    ended = run("restore", str(file))
    assert ended.code == 0
    assert ended.err.startswith("warning: ")


def test_erasures_that_a_restore_undoes_are_counted(run: Run, made: Path) -> None:
    assert run("erase", "--phone", "+254712345678", "--yes").code == 0
    ended = run("restore", str(made))
    assert "erasures (1) are undone" in ended.out
