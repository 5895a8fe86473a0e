"""A command typed beside a server: in this process, on a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
from pathlib import Path

from smsgate.cli import main
from tests.running import quiet


async def typed(*words: str, url: str, data: Path) -> tuple[int, str]:
    """`smsgate …` on a database; its exit code and all it said."""
    said = io.StringIO()
    where = ("--data", str(data), "--database", url)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = await asyncio.to_thread(main, [*words, *where])
    quiet()
    return code, said.getvalue()
