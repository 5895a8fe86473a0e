"""Process settings: what the environment and the command line say (CONTRACT: Environment).

Read once, at start, and handed down; nothing else in smsgate looks at the environment. What a
programme configures at run time is the settings document (`smsgate.programme`).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from smsgate.errors import StartError

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this process runs. Secrets are kept out of the repr."""

    data_dir: Path
    database_url: str
    host: str = "127.0.0.1"
    port: int = 5988
    forms_dir: Path | None = None
    admin_password: str | None = None
    secret_key_file: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    allow_http: bool = False
    log_level: str = "INFO"
    log_format: str = "console"
    dispatch: bool = True

    def __repr__(self) -> str:
        return f"Settings(data_dir={str(self.data_dir)!r}, host={self.host!r}, port={self.port})"

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database_url.startswith("sqlite")

    def with_flags(self, **flags: object) -> Settings:
        """The same settings with every flag that was given (not None) laid over them."""
        given = {name: value for name, value in flags.items() if value is not None}
        return replace(self, **given)  # type: ignore[arg-type]  # argparse has typed each flag


def read_settings(
    environ: Mapping[str, str] | None = None,
    *,
    data_dir: str | None = None,
    database_url: str | None = None,
) -> Settings:
    """Settings from the environment; the two arguments are the flags other defaults hang on.

    Raises:
        StartError: a variable holds what it cannot mean; the text names it.
    """
    env = os.environ if environ is None else environ
    directory = Path(data_dir or env.get("SMSGATE_DATA_DIR") or "smsgate-data").absolute()
    url = database_url or env.get("SMSGATE_DATABASE_URL") or ""
    return Settings(
        data_dir=directory,
        database_url=_database_url(url, directory),
        host=env.get("SMSGATE_HOST") or "127.0.0.1",
        port=_port(env.get("SMSGATE_PORT") or "5988"),
        forms_dir=Path(env["SMSGATE_FORMS_DIR"]) if env.get("SMSGATE_FORMS_DIR") else None,
        admin_password=_admin_password(env),
        secret_key_file=(
            Path(env["SMSGATE_SECRET_KEY_FILE"]) if env.get("SMSGATE_SECRET_KEY_FILE") else None
        ),
        trusted_proxies=_networks(env.get("SMSGATE_TRUSTED_PROXIES", "")),
        allow_http=_boolean("SMSGATE_ALLOW_HTTP", env.get("SMSGATE_ALLOW_HTTP", "")),
        log_level=_one_of(
            "SMSGATE_LOG_LEVEL", (env.get("SMSGATE_LOG_LEVEL") or "INFO").upper(), _LEVELS
        ),
        log_format=_one_of(
            "SMSGATE_LOG_FORMAT", env.get("SMSGATE_LOG_FORMAT") or "console", ("console", "json")
        ),
    )


def _database_url(url: str, data_dir: Path) -> str:
    if not url:
        return f"sqlite+aiosqlite:///{data_dir / 'smsgate.db'}"
    if url.startswith(("postgresql://", "postgres://")):
        # The form every hosting provider prints; the driver is ours to choose.
        return "postgresql+asyncpg://" + url.partition("://")[2]
    if not url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        raise StartError(
            "SMSGATE_DATABASE_URL must start with sqlite+aiosqlite:/// or postgresql+asyncpg://"
        )
    if url.endswith((":///", ":memory:")):
        raise StartError(
            "SMSGATE_DATABASE_URL must name a file: an in-memory database loses messages"
        )
    return url


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise StartError("SMSGATE_PORT must be a number from 0 to 65535")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise StartError(f"{name} must be 1 or 0")


def _one_of(name: str, word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise StartError(f"{name} must be one of {', '.join(words)}")
    return word


def _networks(text: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in text.split(",") if part.strip())
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise StartError(
                f"SMSGATE_TRUSTED_PROXIES: {network!r} is no address or network"
            ) from None
    return networks


def _admin_password(env: Mapping[str, str]) -> str | None:
    if env.get("SMSGATE_ADMIN_PASSWORD"):
        return env["SMSGATE_ADMIN_PASSWORD"]
    file = env.get("SMSGATE_ADMIN_PASSWORD_FILE")
    if not file:
        return None
    try:
        # One trailing line break is how editors end files; more would be part of the password.
        password = Path(file).read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise StartError(f"SMSGATE_ADMIN_PASSWORD_FILE cannot be read: {error.strerror}") from None
    if not password:
        raise StartError("SMSGATE_ADMIN_PASSWORD_FILE is empty")
    return password
