"""`make bench`: every measurement, or those named."""

from __future__ import annotations

import argparse
import sys

from tests.bench import ingest, parse

POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432/smsgate_bench"


def main() -> int:
    """Run what was asked for; 1 where a gate is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=["ingest", "parse"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    args = parser.parse_args()
    passed = True
    if "ingest" in args.what:
        print("single-message POST, 64 connections, SQLite WAL synchronous=FULL")
        ratio = ingest.run(rounds=args.rounds, seconds=args.seconds)
        print(f"gate: at least 0.2: {'met' if ratio >= 0.2 else 'MISSED'}\n")
        passed = passed and ratio >= 0.2
    if "parse" in args.what:
        passed = parse.main() == 0 and passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
