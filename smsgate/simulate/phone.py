"""The command `smsgate simulate phone`: carries SMS to a server as an Android phone does."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from smsgate import arguments
from smsgate.errors import CommandError
from smsgate.simulate.drive import Driver, Pace
from smsgate.simulate.handset import Phone
from smsgate.simulate.line import Address, Line, names_account, read_address
from smsgate.simulate.report import Expect, Progress, summary
from smsgate.simulate.state import Journal
from smsgate.simulate.traffic import Line as TextLine
from smsgate.simulate.traffic import Traffic, read_lines

_DEFAULT_COUNT = 10
_DEFAULT_PASSWORD_ENV = "SMSGATE_PASSWORD"  # noqa: S105  the name of a variable, no password


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options on `parser`, whose parsed result `run` takes."""
    add = parser.add_argument
    add("--url", required=True, help="as typed into the phone: http(s)://[USER:PASSWORD@]HOST/…")
    add("--user", help="the gateway account, where the URL does not name it")
    add(
        "--password-env",
        default=_DEFAULT_PASSWORD_ENV,
        metavar="V",
        help="the environment variable that holds its password (default: %(default)s)",
    )
    add(
        "--count",
        type=_count,
        metavar="N",
        help=f"SMS to carry (default: {_DEFAULT_COUNT}, or the lines of --messages)",
    )
    add(
        "--messages",
        type=Path,
        metavar="FILE",
        help="a text a line, or sender, tab, text (default: texts for the demo form ANC)",
    )
    add(
        "--interval",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds between two polls (default: 30)",
    )
    add(
        "--drop-rate",
        type=_drops,
        default=0.0,
        metavar="F",
        help="share of HTTP responses to lose, 0 to 0.99",
    )
    add(
        "--fail-rate",
        type=arguments.share,
        default=0.0,
        metavar="F",
        help="share of outbound SMS that fail, 0 to 1",
    )
    add("--state", type=Path, metavar="FILE", help="the phone's database; resumes from it")
    add(
        "--expect-replies",
        type=Expect,
        choices=list(Expect),
        default=Expect.AUTO,
        help="count an SMS without a reply as lost (auto: as soon as one was replied to)",
    )
    add(
        "--quiet-polls",
        type=_quiet,
        default=3,
        metavar="N",
        help="end after N polls without news, three times as many while a reply is missing"
        " (default: 3)",
    )
    add(
        "--give-up",
        type=_seconds,
        metavar="S",
        help="fail when no poll was accepted for S seconds (default: try for ever, as a phone)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; its exit code.

    0: all carried, nothing lost or doubled. 1: lost, doubled, corrupted, refused, or stopped.
    2: usage. Errors are one line on standard error; progress and summary go to standard output.
    """
    try:
        plan = _plan(args)
    except (OSError, ValueError) as error:
        return _fail(2, str(error))
    progress = Progress(sys.stdout)
    try:
        with Journal(args.state) if args.state else nullcontext() as journal:
            return asyncio.run(_carry(args, plan, journal, progress))
    except KeyboardInterrupt:
        why = "stopped"
        if args.state:
            why += f"; the same command with --state {args.state} goes on from here"
    except OSError as error:
        why = f"cannot go on: {error.strerror}"
    except CommandError as error:
        why = str(error)
    progress.end()
    return _fail(1, why)


@dataclass(frozen=True, slots=True)
class _Plan:
    address: Address
    lines: list[TextLine] | None
    count: int


def _plan(args: argparse.Namespace) -> _Plan:
    """What the options ask for, or an OSError or ValueError that says what is wrong with them."""
    password = os.environ.get(args.password_env)
    address = read_address(args.url, args.user, password)
    if address.authorization is None:
        raise ValueError("give --user, or credentials in the URL")
    if password is None and not names_account(args.url):
        raise ValueError(f"put the password into the environment variable {args.password_env}")
    lines = read_lines(args.messages) if args.messages else None
    count = args.count
    if count is None:
        count = len(lines) if lines else _DEFAULT_COUNT
    return _Plan(address, lines, count)


async def _carry(
    args: argparse.Namespace,
    plan: _Plan,
    journal: Journal | None,
    progress: Progress,
) -> int:
    phone = Phone(journal.rows if journal else (), fail_rate=args.fail_rate)
    traffic = Traffic(plan.count, lines=plan.lines, carried=phone.sms.values())
    pace = Pace(interval=args.interval, quiet=args.quiet_polls, give_up=args.give_up)
    async with Line(plan.address, drop_rate=args.drop_rate) as line:
        refused = await line.verify()
        # A phone that is set up already polls on while its server is away.
        resumed = bool(phone.sms or phone.outgoing)
        if refused is not None and not (resumed and refused.passing):
            return _fail(1, refused.why)
        driver = Driver(
            phone,
            line,
            traffic,
            pace=pace,
            expect=args.expect_replies,
            journal=journal,
            progress=progress,
        )
        result = await driver.run()
    progress.end()
    print("\n".join(summary(result, driver.counts)))
    return 0 if result.clean else 1


def _fail(code: int, why: str) -> int:
    print(f"smsgate simulate phone: {why}", file=sys.stderr)
    return code


def _count(text: str) -> int:
    return arguments.whole(text, 0, 1_000_000)


def _quiet(text: str) -> int:
    return arguments.whole(text, 1, 10_000)


def _seconds(text: str) -> float:
    return arguments.number(text, 0, 86_400)


def _drops(text: str) -> float:
    # At 1 no response would ever come through, and the run could not end.
    return arguments.number(text, 0, 0.99)
