"""The statements of the hot path, without paying each time what SQLAlchemy pays.

They are written in SQLAlchemy Core like all others. On SQLite, where a statement itself takes
microseconds, it is compiled once and its values go to the driver as tuples; on PostgreSQL
SQLAlchemy runs it, which there costs less than the network.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert, Select, Update
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from smsgate.store.transact import Connection

_DIALECT = SQLiteDialect_pysqlite()

Row = dict[str, Any]
_Take = Callable[[Row], tuple[Any, ...]]
_Process = Callable[[Any], Any]


async def run_many(connection: Connection, statement: Insert | Update, rows: Sequence[Row]) -> None:
    """Run `statement` once for each of `rows`; an insert's rows all have the first one's keys."""
    if not rows:
        return
    if connection.dialect.name != "sqlite":
        await connection.execute(statement, list(rows))
        return
    keys = tuple(rows[0]) if isinstance(statement, Insert) else ()
    sql, take = _compiled(statement, keys)
    await connection.exec_driver_sql(sql, [take(row) for row in rows])


@functools.lru_cache(maxsize=64)
def _compiled(statement: Insert | Update, keys: tuple[str, ...]) -> tuple[str, _Take]:
    compiled = statement.compile(dialect=_DIALECT, column_keys=list(keys) if keys else None)
    names = compiled.positiontup or []
    fixed: dict[str, Any] = {}
    processes: list[tuple[int, _Process]] = []
    for place, name in enumerate(names):
        bind = compiled.binds[name]
        process = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        if not bind.required:  # a value that stands in the statement itself
            fixed[name] = bind.value
        if process is not None:
            processes.append((place, process))
    return str(compiled), _taker(names, fixed, processes)


def _taker(names: Sequence[str], fixed: Row, processes: Sequence[tuple[int, _Process]]) -> _Take:
    get = operator.itemgetter(*names)

    def take(row: Row) -> tuple[Any, ...]:
        values = list(get({**row, **fixed} if fixed else row))
        for place, process in processes:
            if values[place] is not None:
                values[place] = process(values[place])
        return tuple(values)

    return take


async def fetch(connection: Connection, statement: Select[Any], values: Row) -> list[Row]:
    """The rows of `statement` as mappings, its bound parameters being `values`.

    An expanding parameter takes a list; a statement is compiled once for each length of its lists.
    """
    if connection.dialect.name != "sqlite":
        result = await connection.execute(statement, values)
        names = list(result.keys())
        return [dict(zip(names, row, strict=True)) for row in result]
    query = _query(
        statement, tuple([(k, len(v) if isinstance(v, list) else -1) for k, v in values.items()])
    )
    result = await connection.exec_driver_sql(query.sql, query.take(values))
    if not query.processes:
        return [dict(zip(query.names, row, strict=True)) for row in result]
    return [
        {
            name: value if process is None or value is None else process(value)
            for name, value, process in zip(query.names, row, query.processes, strict=True)
        }
        for row in result
    ]


@dataclass(frozen=True, slots=True)
class _Query:
    sql: str
    take: Callable[[Row], tuple[Any, ...]]
    names: tuple[str, ...]
    processes: tuple[_Process | None, ...]


@functools.lru_cache(maxsize=1024)
def _query(statement: Select[Any], shape: tuple[tuple[str, int], ...]) -> _Query:
    # The shape of the values: for a list its length, for anything else -1.
    sizes = {name: size for name, size in shape if size >= 0}
    standing_in = {name: [None] * size if size >= 0 else None for name, size in shape}
    compiled = statement.params(standing_in).compile(
        dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
    )
    # A list called `ids` has become `ids_1`, `ids_2`, …
    members = {f"{name}_{n + 1}": (name, n) for name, size in sizes.items() for n in range(size)}
    given = {name for name, _ in shape}
    takes = [
        _parameter(name, members.get(name), compiled, given=name in given)
        for name in compiled.positiontup or ()
    ]
    columns = list(statement.selected_columns)
    processes = tuple(
        column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for column in columns
    )
    return _Query(
        str(compiled),
        lambda values: tuple([take(values) for take in takes]),
        tuple(str(column.key) for column in columns),
        processes if any(processes) else (),
    )


def _parameter(
    name: str, member: tuple[str, int] | None, compiled: Any, *, given: bool
) -> _Process:
    bind = compiled.binds[member[0] if member else name]
    process = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    if member is not None:
        list_name, place = member
        if process is None:
            return lambda values: values[list_name][place]
        return lambda values: process(values[list_name][place])
    if not given:  # a value that stands in the statement itself
        fixed = process(bind.value) if process else bind.value
        return lambda _values: fixed
    if process is None:
        return operator.itemgetter(name)
    return lambda values: process(values[name])
