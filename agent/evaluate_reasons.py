"""What kind of reason a picture was refused for, without the figures in it, so that reasons can be counted."""

from __future__ import annotations

import re


def said(reason: str) -> str:
    """What kind of reason it is: its words before the figures, and n for a number among them."""
    words = reason.partition(":")[0].partition("(")[0].strip()
    return re.sub(r"[0-9][0-9.]*", "n", words)
