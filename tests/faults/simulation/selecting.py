"""Simple queries on tables in memory: columns, comparisons, order and limit, and an error for everything else."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseElement,
    Null,
    UnaryExpression,
)

Row = Mapping[str, Any]
_COMPARE: dict[Any, Callable[[Any, Any], bool]] = {
    operators.eq: operator.eq,
    operators.ne: operator.ne,
    operators.lt: operator.lt,
    operators.le: operator.le,
    operators.gt: operator.gt,
    operators.ge: operator.ge,
    operators.is_: lambda a, b: a is b,
    operators.is_not: lambda a, b: a is not b,
    operators.in_op: lambda a, b: a in b,
    operators.not_in_op: lambda a, b: a not in b,
}


def selected(query: sa.Select[Any], tables: Mapping[str, Mapping[Any, Row]]) -> list[dict[str, object]]:
    """The rows that a query means.

    Raises:
        NotImplementedError: it is more than a selection from one table.
    """
    columns = [c for raw in query._raw_columns for c in (raw.columns if isinstance(raw, sa.Table) else [raw])]
    sources = {column.table.name for column in columns if isinstance(column, sa.Column)}
    if len(sources) != 1 or not all(isinstance(column, sa.Column) for column in columns):
        raise NotImplementedError(f"only columns of one table at a time: {query}")
    rows = [row for row in tables[sources.pop()].values() if _holds(query.whereclause, row)]
    for clause in reversed(query._order_by_clauses):
        down = isinstance(clause, UnaryExpression) and clause.modifier is operators.desc_op
        column = clause.element if isinstance(clause, UnaryExpression) else clause
        rows.sort(key=_by(_name(column)), reverse=down)
    if query._limit is not None:
        rows = rows[: query._limit]
    names = [_name(column) for column in columns]
    return [{name: row[name] for name in names} for row in rows]


def _by(name: str) -> Callable[[Row], tuple[bool, Any]]:
    return lambda row: (row[name] is not None, row[name])


def _name(column: object) -> str:
    if not isinstance(column, sa.Column):
        raise NotImplementedError(f"only columns: {column}")
    return str(column.name)


def _holds(clause: object, row: Row) -> bool:
    if clause is None:
        return True
    if isinstance(clause, BooleanClauseList):
        parts = [_holds(part, row) for part in clause.clauses]
        return any(parts) if clause.operator is operators.or_ else all(parts)
    if isinstance(clause, BinaryExpression) and clause.operator in _COMPARE:
        left, right = row[_name(clause.left)], _value(clause.right)
        if left is None and clause.operator not in {operators.is_, operators.is_not}:
            return False
        return _COMPARE[clause.operator](left, right)
    raise NotImplementedError(f"not a simple comparison: {clause}")


def _value(element: ClauseElement) -> object:
    if isinstance(element, Null):
        return None
    if isinstance(element, BindParameter):
        return element.effective_value
    raise NotImplementedError(f"not a value: {element}")
