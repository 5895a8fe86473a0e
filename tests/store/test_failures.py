"""What a failing database means for the one who asked."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from smsgate.errors import StoreBusy, StoreUnavailable
from smsgate.store.failures import as_refusal

# The error that PostgreSQL answers, and whether everybody is told to come back because of it.
ANSWERS = [
    (asyncpg.CannotConnectNowError, StoreUnavailable),
    (asyncpg.TooManyConnectionsError, StoreUnavailable),
    (asyncpg.AdminShutdownError, StoreUnavailable),
    (asyncpg.DiskFullError, StoreUnavailable),
    (asyncpg.PostgresIOError, StoreUnavailable),
    (asyncpg.ReadOnlySQLTransactionError, StoreUnavailable),  # a standby, after a fail-over
    (asyncpg.ObjectNotInPrerequisiteStateError, StoreUnavailable),  # takes no connections
    (asyncpg.InvalidCatalogNameError, StoreUnavailable),  # there is no such database any more
    (asyncpg.InvalidPasswordError, StoreUnavailable),
    (asyncpg.InvalidAuthorizationSpecificationError, StoreUnavailable),
    (asyncpg.DeadlockDetectedError, StoreBusy),
    (asyncpg.LockNotAvailableError, StoreBusy),
    (asyncpg.UniqueViolationError, None),
    (asyncpg.NotNullViolationError, None),
    (asyncpg.DataError, None),
    (asyncpg.UndefinedTableError, None),
]


@pytest.mark.parametrize(("kind", "becomes"), ANSWERS)
def test_what_postgres_answers(kind: type[Exception], becomes: type[Exception] | None) -> None:
    found = as_refusal(DBAPIError("SELECT 1", None, kind("words")))
    assert found is None if becomes is None else type(found) is becomes
