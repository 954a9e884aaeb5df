"""What is worked out once for all browsers: fifty of them look at the same list, and each change concerns them all."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_V = TypeVar("_V")
Sources = tuple[object, ...]


class Memo(Generic[_V]):
    """What followed lately from some things, for as long as these very things are there.

    Args:
        most: results that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, tuple[Sources, _V]] = OrderedDict()

    def of(self, key: Hashable, sources: Sources, make: Callable[[], _V]) -> _V:
        """What follows; worked out where it is not known yet.

        Args:
            key: what is asked for.
            sources: all that it follows from: never changed themselves, only replaced by others.
            make: works it out.
        """
        known = self._held.get(key)
        if known is not None and _same(known[0], sources):
            self._held.move_to_end(key)
            return known[1]
        made = make()
        self._held[key] = sources, made
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return made


def _same(some: Sources, others: Sources) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))
