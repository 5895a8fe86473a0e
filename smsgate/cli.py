"""The `smsgate` command: what there is, read from the command line, and how it ends.

Exit codes (CONTRACT): 0 done, 1 failed, 2 usage, 3 newer schema, 4 data directory in use. An error
is one line on standard error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from smsgate import __version__, log
from smsgate.commands import accounts, doctor, document, messages, parse, serve
from smsgate.errors import SmsgateError, StartError
from smsgate.settings import Settings, read_settings
from smsgate.simulate import phone


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

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
    log.configure(settings.log_level, settings.log_format)
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="smsgate", description="SMS gateway and record ingestion for community health."
    )
    parser.add_argument("--version", action="version", version=f"smsgate {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )
    _serve(commands)
    migrate = commands.add_parser("migrate", help="upgrade the database's schema")
    _where(migrate)
    migrate.set_defaults(run=serve.migrate)
    for module in (accounts, document, messages, doctor, parse):
        module.add_arguments(commands)
    _simulate(commands)
    for name in ("user", "settings", "message", "doctor"):
        for leaf in _leaves(commands.choices[name]):
            _where(leaf)
    return parser


def _serve(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("serve", help="answer phones, aggregators and integrators")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port to listen on (5988)")
    parser.add_argument("--forms", metavar="DIR", help="folder of form definitions (./forms)")
    _where(parser)
    parser.set_defaults(run=serve.serve)


def _simulate(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("simulate", help="behave as a phone, for trials")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND", parser_class=_Parser)
    leaf = kinds.add_parser("phone", help="a phone running cht-gateway, with its SMS traffic")
    phone.add_arguments(leaf)
    leaf.set_defaults(run=lambda _settings, args: phone.run(args))


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="data directory (./smsgate-data)")
    parser.add_argument("--database", metavar="URL", help="database address (SQLite in --data)")


def _leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to its sub-parsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            return list(action.choices.values())
    return [parser]


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)
