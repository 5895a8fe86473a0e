"""Every error smsgate raises of its own accord, in one tree.

```
SmsgateError
├── StartError            the process cannot start; carries the exit code and what to do
│   ├── DataDirectoryInUse   exit 4
│   └── NewerSchema          exit 3
├── CommandError          a command cannot do what was asked; exit 1
├── StoreBusy             the writer's queue is full or the database is locked; come back later
└── StoreUnavailable      the database refuses work (disk full, read-only, connection lost)
    └── SecretUnreadable     a credential is there and does not open
```
Expected outcomes (a text that fits no grammar, a message that may not be cancelled) are values.
Which HTTP status an error becomes is decided in one table, `smsgate.web.problems`.
"""

from __future__ import annotations


class SmsgateError(Exception):
    """The root: anything smsgate raises on purpose."""


class StartError(SmsgateError):
    """The process cannot start. The text is one line that says what to do."""

    exit_code = 1


class DataDirectoryInUse(StartError):
    """Another process holds the data directory's lock."""

    exit_code = 4


class NewerSchema(StartError):
    """The database was written by a newer smsgate than this one."""

    exit_code = 3


class CommandError(SmsgateError):
    """A command cannot do what was asked. The text is one line for the operator."""


class StoreBusy(SmsgateError):
    """No room or no lock for this write now. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailable(SmsgateError):
    """The database cannot take writes at the moment (disk full, read-only, gone)."""


class SecretUnreadable(StoreUnavailable):
    """A stored credential is damaged, or sealed with a key that is not here."""
