"""`smsgate parse`: what becomes of a text, for those who write forms and those who test readers.

Shown to a person with every step of the way, or line by line as JSON (CONTRACT: Commands). It opens
no database: the forms and settings are those it is given.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from smsgate import clock, jsontext
from smsgate.commands.given import read_document
from smsgate.commands.story import story_of
from smsgate.document import Document, first_document
from smsgate.errors import CommandError
from smsgate.form import code_key
from smsgate.grammar.base import Parsed
from smsgate.programme import Programme, build, default_forms
from smsgate.record import Draft, draft_from_text
from smsgate.registry import FormSet, load_forms
from smsgate.settings import Settings

# A number like any other, so that no rule against short codes keeps the answer back.
SENDER = "+254712345678"
_MOST_PROGRAMMES = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `parse` command."""
    parser.add_argument(
        "--forms",
        metavar="FILE_OR_DIR",
        help="folder of <CODE>.json, or one file of definitions (./forms)",
    )
    parser.add_argument(
        "--settings",
        dest="document",
        metavar="FILE",
        help="app_settings document; by default that of a new installation",
    )
    parser.add_argument("--locale", help="language of the message")
    parser.add_argument(
        "--from", dest="sender", default=SENDER, metavar="NUMBER", help=f"its sender ({SENDER})"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("message", nargs="?", help="the text; standard input by default")
    what.add_argument(
        "--jsonl", action="store_true", help="read and write JSON, one message a line"
    )
    parser.set_defaults(run=run)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Show one message, or answer lines; 1 if a line could not be read.

    Raises:
        CommandError: the forms or the settings document cannot be used.
    """
    files = load_forms(settings.forms_dir or default_forms())
    fatal = [str(fault) for fault in files.faults if fault.fatal]
    if fatal:
        raise CommandError("forms cannot be used: " + "; ".join(fatal))
    if args.document is None:
        document = first_document(clock.now().date())
    else:
        document = read_document(args.document)
    bench = Bench(files, document, args.locale)
    if args.jsonl:
        return _answer_lines(bench, sys.stdin.buffer)
    message = args.message
    if message is None:
        # What an editor or a shell puts at the end is not part of the text.
        raw = sys.stdin.buffer.read().removesuffix(b"\n")
        message = raw.decode("utf-8", "surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal knows every script
    programme = bench.programme({})
    draft = bench.draft(programme, message, sender=args.sender)
    print("\n".join(story_of(message, draft, programme, sender=args.sender)))
    return 0


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that asks for nothing that can be done; `reason` says why."""

    reason: str


class Bench:
    """Reads texts with some forms and settings, each made once."""

    def __init__(self, files: FormSet, document: Document, locale: str | None) -> None:
        """Take the forms, the document that a line's settings lie over, and the usual locale."""
        self._files = files
        self._document = document
        self._locale = locale
        self._programmes: dict[str, Programme] = {}

    def programme(self, overlay: Document) -> Programme:
        """The programme with `overlay` laid over the document, top-level key by key."""
        key = json.dumps(overlay)
        programme = self._programmes.get(key)
        if programme is None:
            if len(self._programmes) >= _MOST_PROGRAMMES:
                self._programmes.clear()
            programme = build({**self._document, **overlay}, version=0, files=self._files)
            self._programmes[key] = programme
        return programme

    def draft(
        self,
        programme: Programme,
        message: object,
        *,
        sender: str = "",
        form: str | None = None,
        locale: str | None = None,
    ) -> Draft:
        """The record that a message becomes; `form` forces one, by its code in the programme."""
        return draft_from_text(
            message,
            sender=sender,
            rules=programme.reading,
            locale=locale or self._locale,
            form=None if form is None else programme.reading.forms[form],
            received_ms=clock.to_ms(clock.now()),
        )

    def answer(self, line: bytes) -> dict[str, Any] | BadLine:
        """What a line of `--jsonl` is answered."""
        asked = _asked(line)
        if isinstance(asked, BadLine):
            return asked
        programme = self.programme(asked.get("settings") or {})
        form = asked.get("form")
        if form is not None:
            form = code_key(form)
            if form not in programme.reading.forms:
                return BadLine(f"there is no form {json.dumps(asked['form'])}")
        draft = self.draft(programme, asked.get("message"), form=form, locale=asked.get("locale"))
        return {"id": asked["id"], **_outcome(draft)}


def _asked(line: bytes) -> dict[str, Any] | BadLine:
    asked = jsontext.read(line)
    if isinstance(asked, jsontext.BadJson):
        return BadLine(f"no JSON: {asked.reason}")
    if not isinstance(asked, dict):
        return BadLine("no JSON object")
    if "id" not in asked:
        return BadLine("it has no id")
    for key, kind, name in (
        ("settings", dict, "JSON object"),
        ("locale", str, "text"),
        ("form", str, "text"),
    ):
        if asked.get(key) is not None and not isinstance(asked[key], kind):
            return BadLine(f"{key} is no {name}")
    return asked


def _outcome(draft: Draft) -> dict[str, Any]:
    parsed = None if draft.reading is None else draft.reading.parsed
    extra = isinstance(parsed, Parsed) and parsed.extra
    return {
        **({} if draft.form_code is None else {"form_code": draft.form_code}),
        "parser": draft.grammar or "none",
        "fields": {**draft.fields, "_extra_fields": True} if extra else draft.fields,
        "errors": [error["code"] for error in draft.errors],
    }


def _answer_lines(bench: Bench, lines: Iterable[bytes]) -> int:
    failed = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        answer = bench.answer(line)
        if isinstance(answer, BadLine):
            failed = True
            print(f"smsgate parse: line {number}: {answer.reason}", file=sys.stderr, flush=True)
        else:
            # In ASCII, so that every text can be written; at once, as who asks may be waiting.
            print(json.dumps(answer), flush=True)
    return 1 if failed else 0
