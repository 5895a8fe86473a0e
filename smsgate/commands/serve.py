"""`smsgate serve` and `smsgate migrate`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import ipaddress
import os
import signal
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from smsgate import bootstrap, clock, lock, log
from smsgate.app import create_app
from smsgate.bootstrap import Credentials
from smsgate.errors import StartError
from smsgate.grammar.registry import installed
from smsgate.programme import default_forms
from smsgate.registry import load_forms
from smsgate.settings import Settings
from smsgate.store import schema
from smsgate.store.database import Store
from smsgate.vault import Vault, sealer_of
from smsgate.web.onepiece import OnePiece

_DRAIN_SECONDS = 15
# Young objects between two collections: a group of polls makes many that die together.
_YOUNG = 50_000


def serve(settings: Settings, _args: argparse.Namespace) -> int:
    """Migrate, make the first accounts, and serve until told to stop.

    Raises:
        StartError: something it needs is not there; nothing was served.
    """
    os.umask(0o077)  # what is stored is nobody else's on this machine
    log.configure(settings.log_level, settings.log_format)
    _check(settings)
    with _locked(settings):
        listener = _listen(settings)
        with listener:
            made = asyncio.run(_prepare(settings))
            return _run(settings, listener, made)


def migrate(settings: Settings, _args: argparse.Namespace) -> int:
    """Bring the schema up to date.

    Raises:
        StartError: the data directory is in use, or the database is newer than this smsgate.
    """
    with _locked(settings):
        before, after = asyncio.run(schema.migrate(settings.database_url))
    print(f"schema {after}: nothing to do" if before == after else f"schema {before} -> {after}")
    return 0


def _check(settings: Settings) -> None:
    # Before anything is made: an account made by a start that fails would never show its password.
    try:
        installed()
    except Exception as error:
        raise StartError(f"a grammar plugin cannot be used: {error}") from error
    faults = load_forms(settings.forms_dir or default_forms()).faults
    fatal = [str(fault) for fault in faults if fault.fatal]
    if fatal:
        raise StartError("forms cannot be used:\n  " + "\n  ".join(fatal))


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    # On PostgreSQL several processes share the work, and migrations lock each other out.
    with lock.hold(settings.data_dir) if settings.on_sqlite else contextlib.nullcontext():
        yield


async def _prepare(settings: Settings) -> list[Credentials]:
    before, after = await schema.migrate(settings.database_url)
    if before != after:
        log.get(__name__).info("migrated", from_version=before, to_version=after)
    async with Store(settings.database_url) as store:
        # Before accounts are made: a start that fails must not swallow their passwords.
        await Vault(store, sealer_of(settings)).start()
        return await bootstrap.prepare(
            store, admin_password=settings.admin_password, clock=clock.now
        )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {settings.port} is in use: stop what uses it, or choose another with --port"
            ) from None
        raise StartError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from None


def _settle_memory() -> None:
    """Spare the collector what start-up made: tables, grammars and number plans never die."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


class _Server(uvicorn.Server):
    """uvicorn, saying when it is ready."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then greet."""
        await super().startup(sockets)
        if self.started:
            print(self._greeting, flush=True)


def _run(settings: Settings, listener: socket.socket, made: Sequence[Credentials]) -> int:
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http=OnePiece,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it prints query strings; `Envelope` logs instead
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    _settle_memory()
    server = _Server(config, greeting(settings, port, made))
    # uvicorn raises the signal again once it has drained; ending was what it asked for.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # its exit code 3 means another thing
        server.run(sockets=[listener])
    return 0 if server.started else 1


def greeting(settings: Settings, port: int, made: Sequence[Credentials]) -> str:
    """What `serve` prints once its port is open."""
    host = _reachable(settings.host)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    lines = [f"smsgate serves on {address}"]
    passwords = {one.name: one.password for one in made}
    if made:
        lines.append("")
        lines.append("Shown this once, write it down:")
        lines += [f"  {one.name:<8} password {one.password}" for one in made]
    if settings.admin_password is None:
        password = passwords.get(bootstrap.GATEWAY, "<its password>")
        lines.append("")
        lines.append("Enter this in cht-gateway on the phone:")
        lines.append(f"  http://{bootstrap.GATEWAY}:{password}@{shown}:{port}/api/sms")
    if not settings.allow_http and not _is_loopback(settings.host):
        lines += [
            "",
            "Phones need HTTPS here: put a TLS proxy in front, or set SMSGATE_ALLOW_HTTP=1.",
        ]
    elif settings.allow_http and not _is_loopback(settings.host):
        lines += ["", "WARNING: passwords and texts cross the network unencrypted"]
        lines += ["(SMSGATE_ALLOW_HTTP=1). Do this only on a network you trust."]
    return "\n".join(lines)


def _reachable(host: str) -> str:
    """The address others reach this machine by, where it listens on all of them."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return host
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    probe = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"
    try:
        # Choosing a route for a datagram sends none; these addresses are for documentation.
        with socket.socket(family, socket.SOCK_DGRAM) as chosen:
            chosen.connect((probe, 9))
            address: str = chosen.getsockname()[0]
            return address
    except OSError:
        return "127.0.0.1" if family == socket.AF_INET else "::1"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
