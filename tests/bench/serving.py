"""Servers to measure, each a process of its own on a loopback port."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from smsgate import clock
from smsgate.accounts import AddUser
from smsgate.passwords import hash_password
from smsgate.settings import read_settings
from smsgate.store import schema
from smsgate.store.database import Store
from tests.make import basic

PASSWORD = "bench-Tulip-42"
PHONES = 64
_PATIENCE = 20.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(command: Sequence[str], url: str, environ: Mapping[str, str]) -> Iterator[int]:
    """Run a server until the block ends; its process id, once it has said that it serves `url`."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        listener = _Listener(child)
        try:
            listener.until(url)
            yield child.pid
        finally:
            child.terminate()
            listener.join()


class _Listener(threading.Thread):
    """Reads all that a process says, so that it never waits for a reader."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        super().__init__()
        self._child = child
        self._lines: SimpleQueue[str] = SimpleQueue()
        self.start()

    def run(self) -> None:
        """Pass each line on; an empty one is the end."""
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put("")

    def until(self, greeting: str) -> None:
        """Wait for a line with `greeting` in it."""
        said = ""
        limit = time.monotonic() + _PATIENCE
        while greeting not in said:
            try:
                line = self._lines.get(timeout=max(0, limit - time.monotonic()))
            except Empty:
                line = ""
            if not line:
                raise RuntimeError(f"{self._child.args!r} does not serve {greeting}: {said}")
            said += line


@contextmanager
def echo() -> Iterator[str]:
    """The yardstick, on the same uvicorn that smsgate runs on; its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", *options, "tests.bench.echo:app"]
    with process(command, url, {}):
        yield url


@contextmanager
def smsgate(data_dir: Path, **environ: str) -> Iterator[str]:
    """smsgate with an account for each phone; its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    place = {"SMSGATE_DATA_DIR": str(data_dir), **environ}
    smsgate_command = str(Path(sys.executable).with_name("smsgate"))
    asyncio.run(_accounts(read_settings(place).database_url))
    place |= {"SMSGATE_ADMIN_PASSWORD": PASSWORD, "SMSGATE_LOG_LEVEL": "WARNING"}
    command = [smsgate_command, "serve", "--port", str(port)]
    with process(command, url, place):
        yield url


async def _accounts(url: str) -> None:
    await schema.migrate(url)
    hashed = hash_password(PASSWORD)
    async with Store(url) as store:
        for number in range(PHONES):
            await store.write(AddUser(_name(number), hashed, ("gateway",), "bench", clock.now()))


def _name(number: int) -> str:
    return f"phone{number:02d}"


def authorizations() -> str:
    """The header of each phone's account, one a line."""
    return "\n".join(basic(_name(number), PASSWORD) for number in range(PHONES))
