"""`docs/commands.md` and the front page name every command and option there is, and no other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from smsgate.cli import _Parser, _parser
from tests.docs.reading import page, prose, readme, section

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_HEADING = re.compile(r"^###? smsgate (.+)$", re.MULTILINE)
_SHARED = {"--data", "--database"}


def _commands(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    if isinstance(parser, _Parser):
        parser.complete()
    if words:
        yield " ".join(words), parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from _commands(child, (*words, name))


def _options(parser: argparse.ArgumentParser) -> set[str]:
    options = {option for action in parser._actions for option in action.option_strings}
    return {option for option in options if option.startswith("--")} - {"--help"}


COMMANDS = dict(_commands(_parser()))


def test_every_command_has_its_heading() -> None:
    assert _HEADING.findall(page("commands.md")) == [
        name for name in _HEADING.findall(page("commands.md")) if name in COMMANDS
    ]
    assert set(_HEADING.findall(page("commands.md"))) == set(COMMANDS)


def test_every_option_is_under_its_command() -> None:
    parts = re.split(r"^###? smsgate (.+)$", page("commands.md"), flags=re.MULTILINE)
    assert _options(_parser()) | _SHARED == set(_OPTION.findall(prose(parts[0]))) - {"--help"}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        described = set(_OPTION.findall(prose(text)))
        assert _options(COMMANDS[name]) - _SHARED == described - _SHARED, name


def test_the_front_page_has_every_command() -> None:
    text = section(readme(), "Commands")
    for name in COMMANDS:
        for word in name.split():
            assert re.search(rf"[` ]{word}[` ]", text), name
    for name in re.findall(r"`smsgate ([a-z-]+)", text):
        assert name in COMMANDS
