"""The `smsgate` command: what there is, read from the command line, and how it ends.

Exit codes (CONTRACT): 0 done, 1 failed, 2 usage, 3 newer schema, 4 data directory in use. An error
is one line on standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from smsgate import __version__, arguments
from smsgate.errors import SmsgateError, StartError
from smsgate.settings import Settings, read_settings

Describe = Callable[[argparse.ArgumentParser], None]


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, and which may leave its arguments for when it is used.

    A command's module brings what the command needs, which takes most of a second to import: only
    the command that is chosen waits for it.
    """

    def __init__(self, *, describe: Describe | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._describe = describe

    def complete(self) -> None:
        """Add the arguments that were left for later."""
        describe, self._describe = self._describe, None
        if describe is not None:
            describe(self)

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        """Read the words of the command line."""
        self.complete()
        return super().parse_known_args(*given, **named)

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `smsgate`; those of the process by default.

    Returns:
        The exit code.
    """
    args = _parser().parse_args(arguments)
    try:
        return int(args.run(_settings(args), args))
    except SmsgateError as error:
        print(f"smsgate: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, StartError) else 1
    except KeyboardInterrupt:
        return 1


def _settings(args: argparse.Namespace) -> Settings:
    settings = read_settings(
        data_dir=getattr(args, "data", None), database_url=getattr(args, "database", None)
    )
    forms = getattr(args, "forms", None)
    settings = settings.with_flags(
        host=getattr(args, "host", None),
        port=getattr(args, "port", None),
        forms_dir=Path(forms) if forms else None,
        dispatch=False if getattr(args, "no_dispatch", False) else None,
    )
    from smsgate import log

    log.configure(settings.log_level, settings.log_format)
    return settings


def _parser() -> _Parser:
    parser = _Parser(
        prog="smsgate", description="SMS gateway and record ingestion for community health."
    )
    parser.add_argument("--version", action="version", version=f"smsgate {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    for name, does, describe in _COMMANDS:
        commands.add_parser(name, help=does, describe=describe)
    return parser


def _serve(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import serve

    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=arguments.port, help="port to listen on (5988)")
    parser.add_argument("--forms", metavar="DIR", help="folder of form definitions (./forms)")
    parser.add_argument(
        "--no-dispatch",
        action="store_true",
        help="hand nothing to aggregators here; `smsgate work` does it elsewhere",
    )
    _where(parser)
    parser.set_defaults(run=serve.serve)


def _work(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import work

    parser.add_argument("--forms", metavar="DIR", help="folder of form definitions (./forms)")
    _where(parser)
    parser.set_defaults(run=work.run)


def _route(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import routes

    routes.add_arguments(parser)
    _where_each(parser)


def _migrate(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import serve

    _where(parser)
    parser.set_defaults(run=serve.migrate)


def _backup(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import backups

    backups.add_backup(parser)
    _where(parser)


def _restore(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import backups

    backups.add_restore(parser)
    _where(parser)


def _erase(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import erase

    erase.add_arguments(parser)
    _where(parser)


def _user(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import accounts

    accounts.add_arguments(parser)
    _where_each(parser)


def _settings_document(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import document

    document.add_arguments(parser)
    _where_each(parser)


def _message(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import messages

    messages.add_arguments(parser)
    _where_each(parser)


def _credential(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import credentials

    credentials.add_arguments(parser)
    _where_each(parser)


def _rotate_key(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import credentials

    credentials.add_rotation(parser)
    _where(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import doctor

    doctor.add_arguments(parser)
    _where(parser)


def _parse(parser: argparse.ArgumentParser) -> None:
    from smsgate.commands import parse

    parse.add_arguments(parser)


def _simulate(parser: argparse.ArgumentParser) -> None:
    from smsgate.simulate import phone

    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    leaf = kinds.add_parser("phone", help="a phone running cht-gateway, with its SMS traffic")
    phone.add_arguments(leaf)
    leaf.set_defaults(run=lambda _settings, args: phone.run(args))


def _fake(parser: argparse.ArgumentParser) -> None:
    from smsgate.fakes import command

    command.add_arguments(parser)


_COMMANDS: tuple[tuple[str, str, Describe], ...] = (
    ("serve", "answer phones, aggregators and integrators", _serve),
    ("work", "hand messages to aggregators, beside servers that do not", _work),
    ("migrate", "upgrade the database's schema", _migrate),
    ("backup", "write a checked copy of the database, beside a running server", _backup),
    ("restore", "put a backup in the place of the database", _restore),
    ("erase", "take everything about a phone number out of the database", _erase),
    ("user", "accounts: add, list, password, remove", _user),
    ("settings", "the app_settings document: get, put", _settings_document),
    ("message", "outbound messages: list, retry, cancel", _message),
    ("credential", "secrets of aggregators: put, list, remove", _credential),
    ("rotate-key", "seal every credential with a new key", _rotate_key),
    ("route", "ways out to aggregators: list, pause, resume", _route),
    ("doctor", "check configuration, database, disk, clock, and that URL answers a phone", _doctor),
    ("parse", "show how a text is read: form, grammar, fields, errors, reply", _parse),
    ("simulate", "behave as a phone, for trials", _simulate),
    ("fake", "behave as an aggregator's service, for trials", _fake),
)


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="data directory (./smsgate-data)")
    parser.add_argument("--database", metavar="URL", help="database address (SQLite in --data)")


def _where_each(parser: argparse.ArgumentParser) -> None:
    """`_where` for each verb of a command."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to its sub-parsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for verb in action.choices.values():
                _where(verb)
