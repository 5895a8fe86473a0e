"""Ten phones and a queue of thousands: everything is killed and lost, and nothing must stick."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tests.bench import scratch
from tests.fleet import Fleet, Plan

OLDEST = timedelta(minutes=3)  # far below the lease, so that nothing waits for one to end


def run(engine: str, *, messages: int) -> bool:
    """Put `messages` in, let ten phones carry them, print; whether nothing is wrong."""
    plan = Plan(
        messages=messages,
        seconds=messages / 50,
        life=(2.0, 30.0),
        server_kills=5,
        give_up=120 + messages / 5,
        oldest=OLDEST,
    )
    print(f"{engine}: {messages:,} messages, {plan.phones} phones, an account each")
    with scratch.database(engine, "phones") as url, tempfile.TemporaryDirectory() as place:
        account = asyncio.run(Fleet(plan, Path(place), url).run(_shower()))
    print("\n".join(f"  {line}" for line in account.lines()))
    print(
        "gate: each reported by exactly one phone, none stuck, none older than"
        f" {OLDEST.total_seconds():.0f} s: {'MISSED' if account.faults else 'met'}\n"
    )
    return not account.faults


def _shower() -> Callable[[str], None]:
    """Shows where a run stands: one line rewritten on a terminal, else one every ten seconds."""
    shown_at = 0.0

    def show(line: str) -> None:
        nonlocal shown_at
        if sys.stdout.isatty():
            sys.stdout.write(f"\r  {line}\x1b[K")
        elif time.monotonic() - shown_at >= 10:
            shown_at = time.monotonic()
            sys.stdout.write(f"  {line}\n")
        sys.stdout.flush()

    return show
