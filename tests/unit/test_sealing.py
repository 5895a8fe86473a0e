"""Sealing, and the key file that it rests on."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smsgate.cipher import Key, Ring, Sealed, Shut
from smsgate.errors import StartError
from smsgate.sealing import Sealer, Unusable, about

ABOUT = about("x:incoming", datetime(2026, 3, 9, 12, tzinfo=UTC))
SECRET = "canary-secret-91c4\n"
# Not new each time: tests are named by them, and the processes of a run must agree on names.
OLD, NEW = (Key.of(hashlib.sha256(name).digest()) for name in (b"old", b"new"))


@pytest.mark.parametrize(
    "text", ["", "a", SECRET, " \0\r\n", "ключ 🔑", "\ud800", "x" * 70_000, "\ufeffbom"]
)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    ring = Ring([NEW])
    assert ring.open(ring.seal(text, ABOUT), ABOUT) == text


def test_the_same_text_never_looks_the_same() -> None:
    ring = Ring([NEW])
    sealed = {ring.seal(SECRET, ABOUT).octets for _ in range(100)}
    assert len({octets[1:13] for octets in sealed}) == 100
    assert not [octets for octets in sealed if SECRET.encode() in octets]


def test_a_newer_key_opens_what_it_did_not_seal_only_with_the_older_one_beside_it() -> None:
    before = Ring([OLD]).seal(SECRET, ABOUT)
    both = Ring([NEW, OLD])
    assert both.open(before, ABOUT) == SECRET
    assert both.seal(SECRET, ABOUT).key_id == NEW.id
    refused = Ring([NEW]).open(before, ABOUT)
    assert isinstance(refused, Shut)
    assert OLD.id in refused.reason


def test_every_changed_byte_is_noticed() -> None:
    ring = Ring([NEW])
    sealed = ring.seal(SECRET, ABOUT)
    for place in range(len(sealed.octets)):
        for bit in (0x01, 0x80):
            octets = bytearray(sealed.octets)
            octets[place] ^= bit
            opened = ring.open(Sealed(sealed.key_id, bytes(octets)), ABOUT)
            assert isinstance(opened, Shut), place
            assert len(opened.reason.splitlines()) == 1
    for length in range(len(sealed.octets)):
        assert isinstance(ring.open(Sealed(NEW.id, sealed.octets[:length]), ABOUT), Shut), length
    assert isinstance(ring.open(Sealed(NEW.id, sealed.octets + b"\0"), ABOUT), Shut)


@pytest.mark.parametrize(
    "other",
    [
        about("x:outgoing", datetime(2026, 3, 9, 12, tzinfo=UTC)),
        about("x:incoming", datetime(2026, 3, 9, 12, 0, 0, 1000, tzinfo=UTC)),
        "",
    ],
)
def test_a_seal_in_another_place_does_not_open(other: str) -> None:
    ring = Ring([NEW])
    assert isinstance(ring.open(ring.seal(SECRET, ABOUT), other), Shut)


def test_a_seal_said_to_be_of_another_key_does_not_open() -> None:
    ring = Ring([NEW, OLD])
    sealed = ring.seal(SECRET, ABOUT)
    assert isinstance(ring.open(Sealed(OLD.id, sealed.octets), ABOUT), Shut)


def test_no_repr_tells_a_key_or_a_secret() -> None:
    ring = Ring([NEW])
    sealed = ring.seal(SECRET, ABOUT)
    words = repr((NEW, ring, sealed, ring.open(Sealed("x", b""), ABOUT)))
    for octets in (NEW.octets, sealed.octets):
        assert repr(octets)[2:-1] not in words
        assert octets.hex() not in words
    assert NEW.written() not in words
    assert NEW.octets.hex().startswith(NEW.id) is False


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (NEW.written(), True),
        (NEW.octets.hex(), True),
        (NEW.octets.hex().upper(), True),
        (NEW.written()[:-1], False),
        (base64.b64encode(NEW.octets[:31]).decode(), False),
        (base64.b64encode(NEW.octets * 2).decode(), False),
        (NEW.octets.hex()[:-2], False),
        ("a passphrase", False),
        ("z" * 64, False),
        ("ключ", False),
        ("", False),
    ],
)
def test_a_line_of_a_key_file(line: str, known: bool) -> None:
    assert Key.read(line) == (NEW if known else None)


# What is found where a key file should be, and the words that tell it.
def _nothing(_path: Path) -> None: ...


def _text(text: bytes, mode: int = 0o600) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(text)
        path.chmod(mode)

    return write


GOOD = f"# made by hand\n\n{NEW.written()}  # newest\n{OLD.octets.hex()}\n".encode()
FILES = [
    (_text(GOOD), False, ""),
    (_text(GOOD, 0o400), False, ""),
    (_text(GOOD), True, ""),
    (_text(GOOD, 0o444), True, ""),  # as mounts have it
    (_text(GOOD.replace(b"\n", b"\r\n")), True, ""),
    (_text(GOOD, 0o640), False, "run `chmod 600 "),
    (_text(GOOD, 0o604), False, "run `chmod 600 "),
    (_text(GOOD, 0o620), True, "run `chmod 600 "),
    (_text(GOOD, 0o602), True, "run `chmod 600 "),
    (_nothing, False, f"with the key {NEW.id}, which is not in "),
    (_nothing, True, "which is not there"),
    (_text(b""), False, "holds no key"),
    (_text(b"# all gone\n"), True, "holds no key"),
    (_text(b"hunter2\n"), False, "line 1 of the key file"),
    (_text(GOOD + b"# next\nhunter2"), True, "line 6 of the key file"),
    (_text(b"\xff\xfe\x00"), False, "it is no text"),
    (_text(OLD.written().encode()), False, f"with the key {NEW.id}, which is not in "),
    (Path.mkdir, True, "cannot be read"),
]


@pytest.mark.parametrize(("make", "named", "told"), FILES)
def test_what_a_key_file_may_be(
    tmp_path: Path, make: Callable[[Path], None], named: bool, told: str
) -> None:
    path = tmp_path / "key"
    make(path)
    if path.is_dir():
        path.chmod(0o700)
    sealer = Sealer(path, named=named)
    needed = {NEW.id}
    if not told:
        sealer.ready(needed)
        assert [key.id for key in _ring(sealer).keys] == [NEW.id, OLD.id]
        return
    with pytest.raises(StartError) as raised:
        sealer.ready(needed)
    said = str(raised.value)
    assert told in said
    assert len(said.splitlines()) == 1
    assert "hunter2" not in said  # it may be a key with a slip in it
    unopened = sealer.open(Sealed(NEW.id, b"\1" * 40), ABOUT)
    assert isinstance(unopened, Shut)


def test_others_who_may_read_a_mounted_key_are_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    _text(GOOD, 0o444)(path)
    sealer = Sealer(path, named=True)
    with caplog.at_level(logging.WARNING, "smsgate.sealing"):
        for _ in range(3):
            sealer.ready(())
    assert len([one for one in caplog.records if "may read the key file" in one.getMessage()]) == 1


def _ring(sealer: Sealer, *needed: str) -> Ring:
    ring = sealer.ring(needed)
    assert isinstance(ring, Ring), ring
    return ring


def test_the_first_key_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "secret.key"
    before = os.umask(0)
    try:
        sealer = Sealer(path)
        sealer.ready(())
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    (key,) = _ring(sealer).keys
    assert _ring(Sealer(path)).newest == key  # another process finds the same
    assert key.written() not in repr(sealer)


def test_a_key_is_not_made_where_none_may_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = Sealer(tmp_path / "file" / "secret.key").ring()
    assert isinstance(found, Unusable)
    assert "cannot be" in found.reason


def test_a_change_of_the_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    server, command = Sealer(path), Sealer(path)
    first = _ring(server).newest
    before = _ring(server).seal(SECRET, ABOUT)
    assert isinstance(command.add_newest(), Ring)
    assert [key.id for key in _ring(command).keys][1:] == [first.id]
    after = _ring(command).seal(SECRET, ABOUT)
    assert server.open(before, ABOUT) == SECRET
    assert server.open(after, ABOUT) == SECRET  # not known so far: it looked again
    assert isinstance(command.keep_newest(), Ring)
    assert _ring(server).keys == _ring(command).keys
    assert isinstance(server.open(before, ABOUT), Shut)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_to_a_key_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "key", tmp_path / "key"
    real.parent.mkdir()
    _text(GOOD)(real)
    link.symlink_to(real)
    sealer = Sealer(link, named=True)
    assert isinstance(sealer.add_newest(), Ring)
    assert link.is_symlink()
    assert len(_ring(Sealer(real)).keys) == 3


def test_what_a_killed_rotation_left_is_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    sealer = Sealer(path)
    sealer.ready(())
    (tmp_path / ".secret.key.new-0badf00d").write_text(NEW.written())
    copy = tmp_path / "secret.key.20261122"
    copy.write_text("a copy somebody made")
    assert isinstance(sealer.add_newest(), Ring)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["secret.key", copy.name]


def test_only_one_rotation_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    Sealer(path).ready(())
    with Sealer(path).rotating() as first, Sealer(path).rotating() as second:
        assert (first, second) == (True, False)
    with Sealer(path).rotating() as again:
        assert again
