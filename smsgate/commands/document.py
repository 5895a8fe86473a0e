"""`smsgate settings get|put`: the app_settings document, also beside a running server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from smsgate import clock
from smsgate.commands.given import read_document
from smsgate.commands.session import open_store
from smsgate.document import Document, Mode, without_effect
from smsgate.programme import Programmes, PutSettings
from smsgate.settings import Settings
from smsgate.store import documents
from smsgate.store.database import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `settings` command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("get", help="print the document in force")
    put = verbs.add_parser("put", help="merge a document into the one in force")
    put.add_argument("file", help="a JSON file, - for standard input")
    mode = put.add_mutually_exclusive_group()
    mode.add_argument(
        "--replace", action="store_true", help="exchange each top-level key of FILE whole"
    )
    mode.add_argument(
        "--overwrite", action="store_true", help="drop every key that FILE does not have"
    )
    parser.set_defaults(run=run)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Run one verb.

    Raises:
        CommandError: the file is no JSON object.
    """
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    document = read_document(args.file) if args.verb == "put" else None
    async with open_store(settings) as store:
        if document is None:
            async with store.read() as connection:
                found = documents.parsed(await documents.newest(connection))
            print(json.dumps(found, indent=2, ensure_ascii=False))
            return 0
        return await _put(settings, store, document, args)


async def _put(
    settings: Settings, store: Store, document: Document, args: argparse.Namespace
) -> int:
    mode = Mode.OVERWRITE if args.overwrite else Mode.REPLACE if args.replace else Mode.MERGE
    changed = await store.write(PutSettings(document=document, mode=mode, by="cli", at=clock.now()))
    print("settings changed" if changed else "nothing changed")
    programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
    for warning in await programmes.warnings_now():
        print(f"warning: {warning}", file=sys.stderr)
    for key in without_effect(document):
        print(f"note: {key} has no effect yet; it is kept", file=sys.stderr)
    return 0
