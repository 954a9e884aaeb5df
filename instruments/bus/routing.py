"""Which handlers want a topic, found level by level instead of by trying every subscription."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from instruments.topics import check_pattern
from instruments.transport import Handler


@dataclass(slots=True)
class _Node:
    below: dict[str, _Node] = field(default_factory=dict)
    handlers: list[tuple[int, Handler]] = field(default_factory=list)


class Router:
    """Subscriptions as a tree of topic levels; a topic of n levels costs n steps, however many subscriptions stand."""

    def __init__(self) -> None:
        self._root = _Node()
        self._order = itertools.count()
        self._counts: dict[str, int] = {}

    @property
    def patterns(self) -> list[str]:
        """Every pattern that somebody wants, in the order in which they were first added."""
        return list(self._counts)

    def add(self, pattern: str, handler: Handler) -> None:
        """Send what falls under a pattern to a handler.

        Raises:
            TopicError: when the pattern is malformed.
        """
        node = self._root
        for level in check_pattern(pattern).split("/"):
            node = node.below.setdefault(level, _Node())
        node.handlers.append((next(self._order), handler))
        self._counts[pattern] = self._counts.get(pattern, 0) + 1

    def remove(self, pattern: str, handler: Handler) -> bool:
        """Take one handler away; True when nobody wants the pattern any more."""
        path = [self._root]
        for level in pattern.split("/"):
            if level not in path[-1].below:
                return False
            path.append(path[-1].below[level])
        entry = next((entry for entry in path[-1].handlers if entry[1] == handler), None)
        if entry is None:
            return False
        path[-1].handlers.remove(entry)
        for parent, level in reversed(list(zip(path, pattern.split("/"), strict=False))):
            if parent.below[level].handlers or parent.below[level].below:
                break
            del parent.below[level]
        self._counts[pattern] -= 1
        if self._counts[pattern]:
            return False
        del self._counts[pattern]
        return True

    def find(self, topic: str) -> list[Handler]:
        """The handlers of a topic in the order in which they were added (MQTT 3.1.1, section 4.7)."""
        found: list[tuple[int, Handler]] = []
        nodes = [self._root]
        wild = not topic.startswith("$")  # section 4.7.2: a wildcard on the first level passes over $SYS and the like
        for level in topic.split("/"):
            deeper: list[_Node] = []
            for node in nodes:
                if (exact := node.below.get(level)) is not None:
                    deeper.append(exact)
                if wild and "+" in node.below:
                    deeper.append(node.below["+"])
                if wild and "#" in node.below:
                    found += node.below["#"].handlers
            nodes, wild = deeper, True
        for node in nodes:
            found += node.handlers
            if "#" in node.below:
                found += node.below["#"].handlers  # section 4.7.1.2: "sport/#" takes in "sport"
        if len(found) > 1:
            found.sort(key=lambda entry: entry[0])
        return [handler for _, handler in found]
