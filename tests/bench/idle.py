"""A poll that brings nothing and is given nothing: what phones ask all day, beside a bare echo."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from smsgate.settings import read_settings
from tests.bench import scratch, serving
from tests.bench.load import Figure, wrk

GATE = 0.5
CONNECTIONS = 64
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A process that answers polls."""

    url: str
    pid: int

    def round(self, seconds: int) -> tuple[Figure, float]:
        """What wrk measured, and the processor's microseconds that each request took."""
        before = _cpu(self.pid)
        figure = wrk(self.url, "idle.lua", connections=CONNECTIONS, seconds=seconds)
        requests = figure.requests_per_second * seconds
        return figure, (_cpu(self.pid) - before) / requests * 1e6


def run(engine: str, *, rounds: int, seconds: int) -> bool:
    """Measure echo and smsgate in turns, print, and say whether the gate is met.

    The ratio that counts is that of processor time: on a machine that others work on, requests a
    second say more of them than of the program.
    """
    with (
        scratch.database(engine, "idle") as database,
        _echo() as echo,
        _smsgate(database) as smsgate,
    ):
        for server in (echo, smsgate):
            server.round(2)
        pairs = []
        for number in range(rounds):
            pairs.append((echo.round(seconds), smsgate.round(seconds)))
            print(_line(f"round {number + 1}", *pairs[-1]), flush=True)
    speed = statistics.median(
        s.requests_per_second / e.requests_per_second for (e, _), (s, _) in pairs
    )
    work = statistics.median(e / s for (_, e), (_, s) in pairs)
    errors = sum(s.errors for _, (s, _) in pairs)
    print(
        f"{engine}: median ratio to echo {speed:.3f} by requests a second, {work:.3f} by processor"
        f" time ({rounds} rounds of {seconds} s, errors: {errors})"
    )
    passed = errors == 0 and min(speed, work) >= GATE
    print(f"gate: at least {GATE} by both: {'met' if passed else 'MISSED'}\n")
    return passed


def _line(name: str, echo: tuple[Figure, float], smsgate: tuple[Figure, float]) -> str:
    parts = [
        f"{who} {figure.requests_per_second:6.0f}/s p50 {figure.p50:5.1f} ms, {cpu:4.0f} us each"
        for who, (figure, cpu) in (("echo", echo), ("smsgate", smsgate))
    ]
    ratio = smsgate[0].requests_per_second / echo[0].requests_per_second
    return f"{name}: {'   '.join(parts)}   ratio {ratio:.3f}, {echo[1] / smsgate[1]:.3f}"


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process used so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


@contextmanager
def _echo() -> Iterator[Server]:
    port = serving.free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", *options, "tests.bench.echo:app"]
    with serving.process(command, url, {}) as pid:
        yield Server(url, pid)


@contextmanager
def _smsgate(database: str) -> Iterator[Server]:
    port = serving.free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data_dir:
        place = {"SMSGATE_DATA_DIR": data_dir, "SMSGATE_DATABASE_URL": database}
        asyncio.run(serving._accounts(read_settings(place).database_url))
        place |= {"SMSGATE_ADMIN_PASSWORD": serving.PASSWORD, "SMSGATE_LOG_LEVEL": "WARNING"}
        command = [str(Path(sys.executable).with_name("smsgate")), "serve", "--port", str(port)]
        with serving.process(command, url, place) as pid:
            yield Server(url, pid)
