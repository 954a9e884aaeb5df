"""Proof that a form was made here, for the browser that sends it."""

from __future__ import annotations

import hashlib
import hmac
import secrets


class FormTokens:
    """Tokens of login forms: bound to a cookie that the form's browser was given before, and to this process.

    Args:
        secret: that signs; a new one by default.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    @staticmethod
    def new_browser() -> str:
        """What a browser is told apart by, before anybody has logged in."""
        return secrets.token_urlsafe(16)

    def of(self, browser: str) -> str:
        """The token of a browser's form."""
        return hmac.new(self._secret, browser.encode(), hashlib.sha256).hexdigest()

    def fits(self, browser: str, token: str) -> bool:
        """Whether a form was made here for this browser."""
        return bool(browser) and hmac.compare_digest(self.of(browser).encode(), token.encode())


def logout_token(session: str) -> str:
    """What a form must bring that ends a session: only who has the session's key can make it."""
    return hmac.new(session.encode(), b"logout", hashlib.sha256).hexdigest()


def ends(session: str, token: str) -> bool:
    """Whether a form that would end the session was made by one of its own pages."""
    return bool(session) and hmac.compare_digest(logout_token(session).encode(), token.encode())
