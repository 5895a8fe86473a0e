"""Running `smsgate` in this process, on a data directory of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from smsgate.cli import main
from tests.running import quiet


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def data(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a migrated database; nothing of the caller's environment counts."""
    for name in [name for name in os.environ if name.startswith("SMSGATE_")]:
        if name not in ("SMSGATE_REQUIRE", "SMSGATE_TEST_POSTGRES"):
            monkeypatch.delenv(name)
    directory = tmp_path / "data"
    directory.mkdir()
    shutil.copy(sqlite_template, directory / "smsgate.db")
    return directory


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`run("user", "list")` is `smsgate user list --data …`; it reads what it is `given`."""

    def _run(*words: str, where: Path | None = data, given: bytes = b"") -> Ended:
        capsys.readouterr()
        flags = [] if where is None else ["--data", str(where)]
        try:
            with _standard_input(given):
                code = main([*words, *flags])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    yield _run
    quiet()


@contextmanager
def _standard_input(given: bytes) -> Iterator[None]:
    """Read `given` from descriptor 0, as a shell's `<` would have it."""
    descriptor, stream = os.dup(0), sys.stdin
    try:
        with tempfile.TemporaryFile() as file:
            file.write(given)
            file.seek(0)
            os.dup2(file.fileno(), 0)
        with open(0, encoding="utf-8", closefd=False) as sys.stdin:
            yield
    finally:
        sys.stdin = stream
        os.dup2(descriptor, 0)
        os.close(descriptor)


@pytest.fixture
def store_secret(run: Run) -> Run:
    """`smsgate credential put … --stdin` with something on standard input."""

    def _put(*words: str, given: bytes = b"canary-secret-91c4\n") -> Ended:
        return run("credential", "put", *words, "--stdin", given=given)

    return _put
