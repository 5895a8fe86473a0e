"""The statements of the hot path, without paying each time what SQLAlchemy pays.

They are written in SQLAlchemy Core like all others. On SQLite, where a statement itself takes
microseconds, it is compiled once and its values go to the driver as they are; on PostgreSQL
SQLAlchemy runs it, which there costs less than the network.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Insert, LargeBinary, Select, Update
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.types import TypeEngine

from smsgate.store.transact import Connection, Direct
from smsgate.store.types import UtcTime, epoch_ms, from_epoch_ms

_DIALECT = SQLiteDialect_pysqlite()

Row = dict[str, Any]
_Take = Callable[[Row], Sequence[Any]]
_TakeMany = Callable[[Sequence[Row]], list[list[Any]]]
_Process = Callable[[Any], Any]
_Part = Callable[[Row], Sequence[Any]]


async def run_many(connection: Connection, statement: Insert | Update, rows: Sequence[Row]) -> None:
    """Run `statement` once for each of `rows`; an insert's rows all have the first one's keys."""
    if not rows:
        return
    if connection.dialect.name != "sqlite":
        await connection.execute(statement, list(rows))
        return
    keys = _filled(rows) if isinstance(statement, Insert) else ()
    sql, take = _compiled(statement, keys)
    values = take(rows)
    if isinstance(connection, Direct):
        connection.write_rows(sql, values)
    else:
        await connection.exec_driver_sql(sql, [tuple(one) for one in values])


def _filled(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns that any of `rows` fills: to bind a NULL costs the driver more than a text."""
    first = rows[0]
    return tuple(
        [key for key in first if first[key] is not None or any(r[key] is not None for r in rows)]
    )


@functools.lru_cache(maxsize=256)
def _compiled(statement: Insert | Update, keys: tuple[str, ...]) -> tuple[str, _TakeMany]:
    compiled = statement.compile(dialect=_DIALECT, column_keys=list(keys) if keys else None)
    names = compiled.positiontup or []
    fixed: dict[str, Any] = {}
    processes: list[tuple[int, _Process]] = []
    for place, name in enumerate(names):
        bind = compiled.binds[name]
        process = _into(bind.type)
        if not bind.required:  # a value that stands in the statement itself
            fixed[name] = bind.value
        if process is not None:
            processes.append((place, process))
    return str(compiled), _taker(names, fixed, processes)


def _taker(
    names: Sequence[str], fixed: Row, processes: Sequence[tuple[int, _Process]]
) -> _TakeMany:
    get = operator.itemgetter(*names)

    def take(rows: Sequence[Row]) -> list[list[Any]]:
        if fixed:
            rows = [{**row, **fixed} for row in rows]
        taken = [[*get(row)] for row in rows]
        for place, process in processes:
            for values in taken:
                value = values[place]
                if value is not None:
                    values[place] = process(value)
        return taken

    return take


def _into(kind: TypeEngine[Any]) -> _Process | None:
    """What makes a value of `kind` one that the driver takes; None where it is one."""
    if isinstance(kind, UtcTime):
        return epoch_ms
    # What the driver knows for what it is; of bytes and truths it asks around how to take them.
    if isinstance(kind, LargeBinary):
        return bytearray
    if isinstance(kind, Boolean):
        return int
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _out_of(kind: TypeEngine[Any]) -> _Process | None:
    """What makes a value of `kind` of what the driver gives; None where it is one."""
    if isinstance(kind, UtcTime):
        return from_epoch_ms
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, None)


async def fetch(connection: Connection, statement: Select[Any], values: Row) -> list[Row]:
    """The rows of `statement` as mappings, its bound parameters being `values`.

    An expanding parameter takes a list; a statement is compiled once for each length of its lists.
    """
    if connection.dialect.name != "sqlite":
        result = await connection.execute(statement, values)
        names = list(result.keys())
        return [dict(zip(names, row, strict=True)) for row in result]
    lists = {name: _padded(value) for name, value in values.items() if isinstance(value, list)}
    query = _query(
        statement, tuple(values), tuple([(name, len(value)) for name, value in lists.items()])
    )
    taken = query.take({**values, **lists})
    found: Sequence[Sequence[Any]]
    if isinstance(connection, Direct):
        found = connection.read_rows(query.sql, taken)
    else:
        found = (await connection.exec_driver_sql(query.sql, tuple(taken))).all()
    rows = [dict(zip(query.names, row, strict=True)) for row in found]
    for name, process in query.processes:
        for row in rows:
            if row[name] is not None:
                row[name] = process(row[name])
    return rows


@dataclass(frozen=True, slots=True)
class _Query:
    sql: str
    take: _Take
    names: tuple[str, ...]
    processes: tuple[tuple[str, _Process], ...]


def _padded(values: list[Any]) -> list[Any]:
    """A list that selects the same and has one of few lengths: each length is another statement.

    Both we and the driver keep statements ready, and the driver not many of them.
    """
    size = len(values)
    missing = next((step for step in _LENGTHS if step >= size), -(-size // 64) * 64) - size
    return values + values[-1:] * missing if missing else values


_LENGTHS = (0, 1, 2, 4, 8, 16, 32, 64)


@functools.lru_cache(maxsize=1024)
def _query(
    statement: Select[Any], given: tuple[str, ...], lists: tuple[tuple[str, int], ...]
) -> _Query:
    sizes = dict(lists)
    standing_in = {name: [None] * sizes[name] if name in sizes else None for name in given}
    compiled = statement.params(standing_in).compile(
        dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
    )
    # A list called `ids` has become `ids_1`, `ids_2`, …, which stand next to each other.
    members = {f"{name}_{n + 1}": name for name, size in lists for n in range(size)}
    parts: list[_Part] = []
    names = iter(compiled.positiontup or ())
    for name in names:
        whole = members.get(name)
        if whole is not None:
            for _ in range(sizes[whole] - 1):
                next(names)
        parts.append(_part(whole or name, compiled, listed=whole is not None, given=given))
    columns = list(statement.selected_columns)
    processes = [(str(column.key), _out_of(column.type)) for column in columns]
    return _Query(
        str(compiled),
        functools.partial(_gather, parts),
        tuple(str(column.key) for column in columns),
        tuple((name, process) for name, process in processes if process is not None),
    )


def _gather(parts: Sequence[_Part], values: Row) -> Sequence[Any]:
    taken: list[Any] = []
    for part in parts:
        taken.extend(part(values))
    return taken


def _part(name: str, compiled: Any, *, listed: bool, given: Sequence[str]) -> _Part:
    """What a parameter, or a list of them, contributes to the values of a statement."""
    bind = compiled.binds[name]
    process = _into(bind.type)
    if listed:
        if process is None:
            return operator.itemgetter(name)
        return lambda values: [process(value) for value in values[name]]
    if name not in given:  # a value that stands in the statement itself
        fixed = (process(bind.value) if process else bind.value,)
        return lambda _values: fixed
    if process is None:
        return lambda values: (values[name],)
    return lambda values: (process(values[name]),)
