"""A cable between smsgate and PostgreSQL that a test may cut and mend."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url


class Cable:
    """Listens on a port of its own and passes on what comes, for as long as it is whole."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._server: asyncio.Server | None = None
        self._held: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._silent = False
        self.port = 0

    async def mend(self) -> None:
        """Pass on again; the port stays what it was."""
        self._silent = False
        await self._hang_up()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._hang_up()

    def swallow(self) -> None:
        """Take everything and pass on nothing, as a network does that drops packets."""
        self._silent = True

    async def _hang_up(self) -> None:
        for writer in list(self._held):
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._there)
            self._held.add(there_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, there_writer))
                both.create_task(self._pass_on(there_reader, writer))
            self._held.discard(there_writer)
        finally:
            self._held.discard(writer)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not self._silent:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def cable_to(database_url: str) -> AsyncIterator[tuple[Cable, str]]:
    """A whole cable to the server of `database_url`, and the address at its near end."""
    url = make_url(database_url)
    cable = Cable(url.host or "127.0.0.1", url.port or 5432)
    await cable.mend()
    try:
        near = url.set(host="127.0.0.1", port=cable.port)
        yield cable, near.render_as_string(hide_password=False)
    finally:
        await cable.cut()
