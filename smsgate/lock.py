"""One process to a data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smsgate.errors import DataDirectoryInUse, StartError


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Hold the directory's lock, making the directory (0700) where it is missing.

    The kernel lets go of it when the process ends, however it ends.

    Raises:
        DataDirectoryInUse: another process holds it.
        StartError: the directory cannot be made or written to.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "smsgate.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(
            f"the data directory {data_dir} cannot be used: {error.strerror}"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataDirectoryInUse(
                f"another smsgate uses {data_dir}: stop it, or choose another --data directory"
            ) from None
        yield
    finally:
        os.close(descriptor)
