"""The load: wrk on one core, bounded in time, from a script."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.serving import authorizations

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """What one round of wrk measured; times in milliseconds."""

    requests_per_second: float
    errors: int
    p50: float
    p99: float


def wrk(url: str, script: str, *, connections: int, seconds: int) -> Figure:
    """One round. Raises RuntimeError where wrk is missing or says nothing."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    command += ["-s", str(SCRIPTS / script), url]
    if shutil.which("taskset"):
        command = ["taskset", "-c", "0", *command]
    environ = {**os.environ, "BENCH_AUTHORIZATIONS": authorizations()}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            requests, micros, errors, p50, p99 = (int(word) for word in line.split()[1:])
            return Figure(requests / micros * 1e6, errors, p50 / 1000, p99 / 1000)
    raise RuntimeError(f"wrk said nothing useful: {done.stdout}{done.stderr}")
