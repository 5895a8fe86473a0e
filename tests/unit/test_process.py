"""What a process starts with: settings, lock, ids, passwords, shipped files, the log's level."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from smsgate import lock, places
from smsgate.errors import DataDirectoryInUse, StartError
from smsgate.ids import new_id
from smsgate.passwords import Verifier, generate, hash_password
from smsgate.settings import Settings, read_settings


def test_settings_have_their_defaults() -> None:
    found = read_settings({})
    assert (found.host, found.port, found.allow_http) == ("127.0.0.1", 5988, False)
    assert found.data_dir == Path("smsgate-data").absolute()
    assert found.database_url == f"sqlite+aiosqlite:///{found.data_dir / 'smsgate.db'}"
    assert (found.forms_dir, found.admin_password, found.trusted_proxies) == (None, None, ())
    assert (found.log_level, found.log_format, found.on_sqlite) == ("INFO", "console", True)


def test_settings_are_read_from_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file \n\n")
    found = read_settings(
        {
            "SMSGATE_DATA_DIR": str(tmp_path),
            "SMSGATE_DATABASE_URL": "postgres://u:p@h/d",
            "SMSGATE_HOST": "0.0.0.0",
            "SMSGATE_PORT": "80",
            "SMSGATE_FORMS_DIR": "f",
            "SMSGATE_ADMIN_PASSWORD_FILE": str(secret),
            "SMSGATE_SECRET_KEY_FILE": "k",
            "SMSGATE_TRUSTED_PROXIES": " 10.0.0.1, 192.168.0.0/16,,::1 ",
            "SMSGATE_ALLOW_HTTP": "Yes",
            "SMSGATE_LOG_LEVEL": "debug",
            "SMSGATE_LOG_FORMAT": "json",
        }
    )
    assert found.database_url == "postgresql+asyncpg://u:p@h/d"
    assert (found.host, found.port, found.on_sqlite) == ("0.0.0.0", 80, False)
    assert (found.forms_dir, found.secret_key_file) == (Path("f"), Path("k"))
    assert found.admin_password == "from a file \n"  # one line break is the editor's
    assert found.trusted_proxies == ("10.0.0.1", "192.168.0.0/16", "::1")
    assert (found.allow_http, found.log_level, found.log_format) == (True, "DEBUG", "json")


def test_flags_win_and_empty_variables_are_no_values(tmp_path: Path) -> None:
    empty = dict.fromkeys(["SMSGATE_PORT", "SMSGATE_HOST", "SMSGATE_DATABASE_URL"], "")
    assert read_settings(empty).port == 5988
    found = read_settings({"SMSGATE_DATA_DIR": "x"}, data_dir=str(tmp_path))
    assert found.data_dir == tmp_path
    assert found.with_flags(port=1, host=None) == found.with_flags(port=1)
    given = read_settings({}, database_url="postgresql+asyncpg://h/d")
    assert given.database_url == "postgresql+asyncpg://h/d"


def test_settings_show_no_secret() -> None:
    found = read_settings(
        {"SMSGATE_ADMIN_PASSWORD": "hush", "SMSGATE_DATABASE_URL": "postgres://u:hush@h/d"}
    )
    assert found.admin_password == "hush"
    assert "hush" not in repr(found)


def test_a_directory_is_held_by_one(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with lock.hold(directory):
        assert directory.stat().st_mode & 0o777 == 0o700
        with pytest.raises(DataDirectoryInUse) as caught, lock.hold(directory):
            pass
        assert caught.value.exit_code == 4
    with lock.hold(directory):
        pass


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be used"), lock.hold(tmp_path / "file"):
        pass


def test_ids_are_version_7_and_increase_in_every_thread() -> None:
    made: list[list[str]] = [[] for _ in range(8)]

    def make(own: list[str]) -> None:
        own += [new_id() for _ in range(2000)]

    threads = [threading.Thread(target=make, args=(own,)) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own in made:
        assert own == sorted(own)
    everything = [id_ for own in made for id_ in own]
    assert len(set(everything)) == 16_000
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(pattern.fullmatch(id_) for id_ in everything)


def test_a_generated_password_survives_any_keyboard() -> None:
    made = {generate() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch("[A-Za-z0-9]{20}", password) for password in made)


async def test_a_password_fits_its_hash_alone() -> None:
    verifier = Verifier()
    for password in ("x", "caf\u00e9", "\ud800", "", "long " * 1000):
        stored = hash_password(password)
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await verifier.verify(password, stored)
        assert not await verifier.verify(password + " ", stored)
        assert not await verifier.verify(password, None)
        assert not await verifier.verify(password, "no hash")


def test_a_token_says_nothing_and_is_the_processs_own() -> None:
    one, other = Verifier(), Verifier()
    assert one.token("secret") == one.token("secret") != one.token("secret ")
    assert one.token("secret") != other.token("secret")
    assert b"secret" not in one.token("secret")


def test_shipped_files_are_where_they_are_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("forms", "migrations"):
        assert places.shipped(name).is_dir()
    monkeypatch.setattr(places, "_PACKAGE", tmp_path / "smsgate")
    assert places.shipped("forms") == tmp_path / "forms"
    inside = tmp_path / "smsgate" / "_shipped" / "forms"
    inside.mkdir(parents=True)
    assert places.shipped("forms") == inside


def test_settings_is_one_value(tmp_path: Path) -> None:
    one = Settings(data_dir=tmp_path, database_url="sqlite+aiosqlite:///x")
    assert one == Settings(data_dir=tmp_path, database_url="sqlite+aiosqlite:///x")
    with pytest.raises(AttributeError):
        one.port = 1  # type: ignore[misc]  # that it cannot be set is what is tested
