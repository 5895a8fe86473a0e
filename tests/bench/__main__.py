"""`make bench`: every measurement, or those named."""

from __future__ import annotations

import argparse
import sys

from tests.bench import idle, ingest, parse, phones, push, queue
from tests.bench.scratch import ENGINES

POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432/smsgate_bench"
EACH = ("ingest", "parse", "idle", "queue", "phones", "push")


def main() -> int:
    """Run what was asked for; 1 where a gate is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=["ingest", "parse"], help=", ".join(EACH))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="by default both")
    parser.add_argument("--waiting", type=int, default=1_000_000, help="queue: messages that wait")
    parser.add_argument("--finished", type=int, default=5_000_000, help="queue: and that are done")
    parser.add_argument("--offers", type=int, default=300, help="queue: how many are measured")
    parser.add_argument("--messages", type=int, default=5_000, help="phones: how many are carried")
    parser.add_argument("--pushes", type=int, default=10_000, help="push: how many messages")
    args = parser.parse_args()
    if unknown := set(args.what) - set(EACH):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose of {', '.join(EACH)}")
    try:
        return 0 if _measure(args) else 1
    except RuntimeError as error:  # what it needs is not there
        print(error, file=sys.stderr)
        return 1


def _measure(args: argparse.Namespace) -> bool:
    passed = True
    if "ingest" in args.what:
        print("single-message POST, 64 connections, SQLite WAL synchronous=FULL")
        ratio = ingest.run(rounds=args.rounds, seconds=args.seconds)
        print(f"gate: at least 0.2: {'met' if ratio >= 0.2 else 'MISSED'}\n")
        passed = passed and ratio >= 0.2
    if "parse" in args.what:
        passed = parse.main() == 0 and passed
    for engine in args.engine or ENGINES:
        if "idle" in args.what:
            passed = idle.run(engine, rounds=args.rounds, seconds=args.seconds) and passed
        if "queue" in args.what:
            passed = (
                queue.run(engine, waiting=args.waiting, finished=args.finished, offers=args.offers)
                and passed
            )
        if "phones" in args.what:
            passed = phones.run(engine, messages=args.messages) and passed
        if "push" in args.what:
            passed = push.run(engine, messages=args.pushes) and passed
    return passed


if __name__ == "__main__":
    sys.exit(main())
