"""The dashboard's own style sheets and icons: where they are, and by which address a browser keeps them for good."""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
_DOOR: Final = "login.css"
_FIRST: Final = "labwright.css"
_SCRIPTS: Final = ("calm.js", "session.js")


@cache
def version() -> str:
    """What changes whenever any of the files does."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def address(prefix: str, name: str) -> str:
    """Address of a file, with its version."""
    return f"{prefix}/static/{name}?v={version()}"


@cache
def head(prefix: str) -> str:
    """Markup of a page's head: the style sheets of all pages, the shared one first, and our own scripts."""
    names = sorted(path.name for path in STATIC.glob("*.css") if path.name not in {_DOOR, _FIRST})
    links = [f'<link rel="stylesheet" href="{escape(address(prefix, name))}">' for name in (_FIRST, *names)]
    scripts = [
        f'<script src="{escape(address(prefix, name))}" data-prefix="{escape(prefix)}" defer></script>'
        for name in _SCRIPTS
    ]
    return "\n".join([*links, *scripts])
