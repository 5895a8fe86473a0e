"""A reader's terminals: the server runs in one, and blocks are pasted into another."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.docs.reading import ROOT

_PASSWORD = re.compile(r"^ +(admin|gateway) +password (\S+)$", re.MULTILINE)
_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_PATIENCE = 60.0
SMSGATE = f"{shlex.quote(sys.executable)} -m smsgate"


def clean_environment(**more: str) -> dict[str, str]:
    """This process's, without what concerns smsgate."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SMSGATE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", "SMSGATE_FORMS_DIR": str(ROOT / "forms"), **more}


class Process:
    """A command that runs until it is told to end, and what it printed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said = ""

    def until(self, end: str) -> str:
        """Read until it printed `end`; all it printed."""
        out = self.process.stdout
        assert out is not None
        limit = time.monotonic() + _PATIENCE
        while end not in self.said:
            ready, _, _ = select.select([out], [], [], limit - time.monotonic())
            more = os.read(out.fileno(), 65536).decode() if ready else ""
            assert more, f"it said only: {self.said}"
            self.said += more
        return self.said

    @property
    def url(self) -> str:
        """The first address it printed."""
        found = _URL.search(self.said)
        assert found is not None, self.said
        return found[0]

    @property
    def passwords(self) -> dict[str, str]:
        """The passwords it printed, by account."""
        return dict(_PASSWORD.findall(self.said))


@contextmanager
def process(
    arguments: list[str], *, folder: Path, until: str, **environment: str
) -> Iterator[Process]:
    """`smsgate` with these arguments in a process of its own, ready once it printed `until`."""
    command = [sys.executable, "-m", "smsgate", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=clean_environment(**environment), stdout=subprocess.PIPE
    ) as started:
        running = Process(started)
        try:
            running.until(until)
            yield running
        finally:
            started.terminate()
            assert started.wait(30) == 0


class Terminal:
    """One bash in which blocks are pasted, one after the other. A context manager.

    `instead` says what is typed in place of what a page prints: other ports, passwords.
    """

    def __init__(self, folder: Path, instead: dict[str, str], **environment: str) -> None:
        self.instead = {".venv/bin/smsgate": SMSGATE, **instead}
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bash.communicate(timeout=30)

    def paste(self, text: str) -> str:
        """Run a block; what it printed. It must end well."""
        for printed, typed in self.instead.items():
            text = text.replace(printed, typed)
        assert self._bash.stdin is not None
        script = f"set -o pipefail\n{text}\nprintf '\\036%s\\036' $?\n"
        self._bash.stdin.write(script.encode())
        self._bash.stdin.flush()
        said, status = self._answer()
        assert status == "0", said
        return said

    def _answer(self) -> tuple[str, str]:
        out = self._bash.stdout
        assert out is not None
        said = ""
        limit = time.monotonic() + _PATIENCE
        while said.count("\036") < 2:
            ready, _, _ = select.select([out], [], [], limit - time.monotonic())
            more = os.read(out.fileno(), 65536).decode() if ready else ""
            assert more, said
            said += more
        printed, status, _ = said.split("\036")
        return printed, status
