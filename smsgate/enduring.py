"""What runs for as long as the process does outlives what goes wrong in one of its steps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smsgate import log
from smsgate.errors import SmsgateError

logger = log.get(__name__)


@asynccontextmanager
async def enduring(stage: str) -> AsyncIterator[None]:
    """Let a step end without an exception: a database that is away is waited for, a bug is logged.

    Args:
        stage: what step it is, for the log.
    """
    try:
        yield
    except SmsgateError as error:
        logger.warning("put off", stage=stage, reason=str(error))
    except Exception as error:
        logger.error("step failed", stage=stage, exc_info=error)
