"""What must not stand in a log: passwords in addresses, tokens, signed envelopes, private keys."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

HIDDEN: Final = "***"
TEXT_LIMIT: Final = 16_384
"""Characters of one text; a traceback of a deep recursion is longer, and nobody reads it."""

_DEEPEST = 6
_WORDS = r"password|passwd|passphrase|pwd|secret|token|authorization|api[_-]?key|private[_-]?key|credential"
_SECRET_KEY = re.compile(rf"(?i)^(?:.*[._-])?(?:{_WORDS})s?$")
_RULES: Final = (
    # user:password@host, in addresses of brokers and databases; a password may itself hold an @.
    (re.compile(r"(://[^\s:/?#@]*):[^\s/?#]*@"), rf"\1:{HIDDEN}@"),
    # Compact JWS and JWT, whose header is JSON: signed decisions, upload tickets.
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]*\.[\w-]+"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"""(["']d["']\s*:\s*["'])[\w-]{20,}"""), rf"\1{HIDDEN}"),  # the private part of a JWK
    (re.compile(rf"""(?i)\b((?:[\w-]*[_-])?(?:{_WORDS})["']?\s*[=:]\s*["']?)[^\s"',;&}}]+"""), rf"\1{HIDDEN}"),
)


def redacted_text(text: str) -> str:
    """A text without the secrets in it, and not longer than ``TEXT_LIMIT``."""
    if len(text) > TEXT_LIMIT:
        text = f"{text[:TEXT_LIMIT]}... ({len(text)} characters)"
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def redacted(value: Any, depth: int = 0) -> Any:
    """A value as it may be logged: JSON's own types, without secrets; numbers that JSON has not become text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _within(value, depth + 1) if depth < _DEEPEST else "..."
    return redacted_text(str(value))


def _within(many: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
    if isinstance(many, Mapping):
        return {str(k): HIDDEN if v and _SECRET_KEY.match(str(k)) else redacted(v, depth) for k, v in many.items()}
    return [redacted(one, depth) for one in many]
