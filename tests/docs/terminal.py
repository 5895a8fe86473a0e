"""A reader's terminals: the server runs in one, blocks are pasted into another, a third asks."""

from __future__ import annotations

import errno
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
    """A command that runs, and what it printed to `screen`."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self.said = ""
        self._screen = screen

    def until(self, end: str) -> str:
        """Read until it printed `end`; all it printed."""
        limit = time.monotonic() + _PATIENCE
        while end not in self.said:
            more = _more(self._screen, limit)
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


class Asking(Process):
    """A command on a terminal, and the person who answers it there."""

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._screen, text.encode())

    def rest(self) -> str:
        """Read until it ended; all it printed."""
        limit = time.monotonic() + _PATIENCE
        while more := _more(self._screen, limit):
            self.said += more
        return self.said

    @property
    def code(self) -> int:
        """Its exit code, once it ended."""
        return self.process.wait(_PATIENCE)


def _more(screen: int, limit: float) -> str:
    """What is printed next; nothing once all is read or the time `limit` has come."""
    ready, _, _ = select.select([screen], [], [], max(0, limit - time.monotonic()))
    try:
        return os.read(screen, 65536).decode() if ready else ""
    except OSError as error:
        if error.errno != errno.EIO:  # what a terminal says when its last user is gone
            raise
        return ""


@contextmanager
def process(
    arguments: list[str], *, folder: Path, until: str, **environment: str
) -> Iterator[Process]:
    """`smsgate` with these arguments in a process of its own, ready once it printed `until`."""
    command = [sys.executable, "-m", "smsgate", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=clean_environment(**environment), stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        running = Process(started, started.stdout.fileno())
        try:
            running.until(until)
            yield running
        finally:
            started.terminate()
            assert started.wait(30) == 0


@contextmanager
def asking(arguments: list[str], *, folder: Path, **environment: str) -> Iterator[Asking]:
    """`smsgate` with these arguments on a pseudo-terminal of its own, until it ends."""
    screen, line = os.openpty()
    try:
        with subprocess.Popen(
            # Its controlling terminal, or it would ask on another one: that of who runs the tests.
            ["setsid", "--ctty", sys.executable, "-m", "smsgate", *arguments],
            cwd=folder,
            env=clean_environment(**environment),
            stdin=line,
            stdout=line,
            stderr=line,
        ) as started:
            os.close(line)
            try:
                yield Asking(started, screen)
            finally:
                started.kill()  # nothing, if it ended
    finally:
        os.close(screen)


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
            more = _more(out.fileno(), limit)
            assert more, said
            said += more
        printed, status, _ = said.split("\036")
        return printed, status
