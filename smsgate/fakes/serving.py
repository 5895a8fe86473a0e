"""A fake on a port, in the event loop of whoever asks for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from smsgate.fakes.service import RESET, Service

# Linger for no second: what is closed is reset, so that the caller sees an error and no end.
_AT_ONCE = struct.pack("ii", 1, 0)
# Seconds for calls under way to notice that their line is gone.
_GRACE = 0.2


class _Breakable(HttpToolsProtocol):
    """uvicorn's protocol, whose connections can be reset by the application."""

    def on_message_begin(self) -> None:
        """Begin a request whose scope has the means to break it."""
        super().on_message_begin()
        extensions: dict[str, Any] = {RESET: self._reset}
        self.scope["extensions"] = extensions

    def _reset(self) -> None:
        line = self.transport.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; what connects before it is served waits in its backlog."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener


@asynccontextmanager
async def serving(
    service: Service, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve until the block ends, which closes what is open; the address without a path.

    Args:
        service: the fake.
        host: address to listen on.
        port: port to listen on; 0 lets the system choose.

    Raises:
        OSError: the port cannot be had.
    """
    listener = listen(host, port)
    config = uvicorn.Config(
        service,
        http=_Breakable,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without uvicorn's own loop: it would take over the signals, and look ten times a second.
    await server.startup(sockets=[listener])
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        for one in server.servers:
            one.close()
        listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        if service.gate is not None:
            service.gate.set()
        if under_way := list(server.server_state.tasks):
            _, late = await asyncio.wait(under_way, timeout=_GRACE)
            for task in late:
                task.cancel()
