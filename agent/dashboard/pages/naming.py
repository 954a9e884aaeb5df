"""What a screen reader calls an element: a text that may come from a message, with whatever is in it."""

from __future__ import annotations

from typing import TypeVar

from nicegui import ui

_E = TypeVar("_E", bound=ui.element)


def called(element: _E, name: str) -> _E:
    """Have an element be called by a name; returns the element.

    The name is set as it is, and never read as a list of props: a quote in it would end the name, and what stands
    behind would become attributes, of a link to elsewhere for example.
    """
    if element.props.get("aria-label") != name:
        element.props["aria-label"] = name
    return element
