"""Formulas that people write into a configuration: arithmetic on named numbers, and nothing else.

``+ - * / **``, brackets, ``min``, ``max``, comparisons, ``and``, ``or``, ``not`` and ``A if B else C``; words may be
compared with ``==`` and ``!=``. The text is parsed as Python and each node carried out here: there is no way to a name,
an attribute or a call that is not on the list.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LENGTH = 500
"""Characters of a formula: longer ones are no formulas."""
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {"min": min, "max": max}
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant,
    ast.Load, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or, *_BINARY, *_COMPARE,
)  # fmt: skip
GRAMMAR = "a formula of numbers, names, + - * / **, min, max, comparisons and A if B else C"
_Scalar = float | str


class FormulaError(ValueError):
    """A text is no formula, or a formula has no value."""


@dataclass(frozen=True)
class Formula:
    """One formula, parsed and checked.

    Args:
        text: as written.

    Raises:
        FormulaError: it is none; says what of it is not allowed.
    """

    text: str
    _tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.text) <= MAX_LENGTH:
            raise FormulaError(f"{GRAMMAR}, of 1 to {MAX_LENGTH} characters")
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
            for node in ast.walk(tree):
                _check(node)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise error if isinstance(error, FormulaError) else FormulaError(GRAMMAR) from error
        object.__setattr__(self, "_tree", tree.body)

    @property
    def names(self) -> frozenset[str]:
        """Names that it takes."""
        found = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        return frozenset(found - set(_FUNCTIONS))

    def value(self, names: Mapping[str, _Scalar]) -> float:
        """Its value.

        Args:
            names: what each name stands for.

        Raises:
            FormulaError: there is none: a division by zero, an overflow, a word among numbers, a name without value.
        """
        try:
            found = _value(self._tree, names)
        except ZeroDivisionError as error:
            raise FormulaError("a division by zero") from error
        except OverflowError as error:
            raise FormulaError("a number too large") from error
        except KeyError as error:
            raise FormulaError(f"nothing is called {error.args[0]}") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise FormulaError(f"no number: {error}") from error
        if isinstance(found, str) or not math.isfinite(found):
            raise FormulaError(f"{found!r}, which is no finite number")
        return float(found)


def _check(node: ast.AST) -> None:
    if not isinstance(node, _ALLOWED):
        raise FormulaError(f"{GRAMMAR}, without {type(node).__name__}")
    if isinstance(node, ast.Constant) and (
        isinstance(node.value, bool) or not isinstance(node.value, int | float | str)
    ):
        raise FormulaError(f"{GRAMMAR}, without {node.value!r}")
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS or node.keywords or len(node.args) < 2:
            raise FormulaError(f"{GRAMMAR}; of functions only min and max, of two values or more")


def _value(node: ast.expr, names: Mapping[str, _Scalar]) -> _Scalar:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else float(node.value)  # type: ignore[arg-type]  # checked
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_number(node.left, names), _number(node.right, names))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_number(a, names) for a in node.args))
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, names) else node.orelse, names)
    return _logic(node, names)


def _logic(node: ast.expr, names: Mapping[str, _Scalar]) -> float:
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            return float(not _value(node.operand, names))
        value = _number(node.operand, names)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BoolOp):
        truths = (bool(_value(v, names)) for v in node.values)
        return float(all(truths) if isinstance(node.op, ast.And) else any(truths))
    if isinstance(node, ast.Compare):
        sides = [_value(v, names) for v in (node.left, *node.comparators)]
        pairs = zip(node.ops, sides, sides[1:], strict=False)
        return float(all(_COMPARE[type(op)](left, right) for op, left, right in pairs))
    raise FormulaError(GRAMMAR)


def _number(node: ast.expr, names: Mapping[str, _Scalar]) -> float:
    value = _value(node, names)
    if isinstance(value, str):
        raise FormulaError(f"{value!r} is a word, and a number is needed")
    return value
