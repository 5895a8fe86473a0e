"""Running `smsgate` in this process, on a data directory of its own."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
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
    import os  # noqa: PLC0415 - only to forget what is set

    for name in [name for name in os.environ if name.startswith("SMSGATE_")]:
        if name not in ("SMSGATE_REQUIRE", "SMSGATE_TEST_POSTGRES"):
            monkeypatch.delenv(name)
    directory = tmp_path / "data"
    directory.mkdir()
    shutil.copy(sqlite_template, directory / "smsgate.db")
    return directory


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`run("user", "list")` is `smsgate user list --data …`."""

    def _run(*words: str, where: Path | None = data) -> Ended:
        capsys.readouterr()
        flags = [] if where is None else ["--data", str(where)]
        try:
            code = main([*words, *flags])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    yield _run
    quiet()


@pytest.fixture
def store_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`smsgate credential put … --stdin` with something on standard input."""

    def _put(*words: str, given: bytes = b"canary-secret-91c4\n") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        return run("credential", "put", *words, "--stdin")

    return _put
