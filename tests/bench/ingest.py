"""One text a request: authenticated, parsed, stored durably with record and reply, and offered."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.bench import serving
from tests.bench.load import Figure, wrk

CONNECTIONS = 64


def run(*, rounds: int, seconds: int, database: str = "") -> float:
    """Measure echo and smsgate in turns; print a table; the median ratio."""
    environ = {"SMSGATE_DATABASE_URL": database} if database else {}
    pairs: list[tuple[Figure, Figure]] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving.echo() as echo,
        serving.smsgate(Path(scratch), **environ) as smsgate,
    ):
        wrk(smsgate, "poll.lua", connections=CONNECTIONS, seconds=2)
        for number in range(rounds):
            pair = [
                wrk(url, "poll.lua", connections=CONNECTIONS, seconds=seconds)
                for url in (echo, smsgate)
            ]
            pairs.append((pair[0], pair[1]))
            print(_line(f"round {number + 1}", *pairs[-1]), flush=True)
    ratio = statistics.median(s.requests_per_second / e.requests_per_second for e, s in pairs)
    errors = sum(s.errors for _, s in pairs)
    print(f"median ratio to echo: {ratio:.3f} ({rounds} rounds of {seconds} s, errors: {errors})")
    return ratio


def _line(name: str, echo: Figure, smsgate: Figure) -> str:
    ratio = smsgate.requests_per_second / echo.requests_per_second
    return (
        f"{name}: echo {echo.requests_per_second:8.0f}/s p50 {echo.p50:5.1f} ms   "
        f"smsgate {smsgate.requests_per_second:7.0f}/s p50 {smsgate.p50:5.1f} "
        f"p99 {smsgate.p99:6.1f} ms   ratio {ratio:.3f}"
    )
