"""What a login form brings, read with bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from agent.identity import KeyPair
from envs.errors import UserError

if TYPE_CHECKING:
    from starlette.types import Message

LONGEST: Final = 192 * 1024
"""Bytes of a form: two key files and a few words."""
_NAME, _PASSWORD, _NEXT = 64, 1024, 2048


@dataclass(frozen=True)
class LoginTry:
    """One form.

    Args:
        name: typed; the one in the files where they were brought.
        password: typed.
        token: that the form was given.
        next: where to go then.
        pair: the key's files, where they were brought.
        trouble: what is wrong with the form; empty where nothing is.
    """

    name: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    next: str = ""
    pair: KeyPair | None = None
    trouble: str = ""


async def read_form(request: Request) -> LoginTry:
    """Read a form; whatever it brings, this answers."""
    body = await _body(request)
    if body is None:
        return LoginTry(trouble="The form is too long: a key's files have a few hundred bytes each.")

    async def whole() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, whole).form(max_files=2, max_fields=8, max_part_size=LONGEST) as form:
            return await _read(form)
    except (HTTPException, MultiPartException):
        return LoginTry(trouble="The form cannot be read: please fill it in again.")


async def _body(request: Request) -> bytes | None:
    """All of it; None where it is too long, of which no more is read."""
    said = request.headers.get("content-length", "0")
    if not said.isdecimal() or int(said) > LONGEST:
        return None
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > LONGEST:
            return None
    return bytes(body)


async def _read(form: FormData) -> LoginTry:
    name, password = _text(form, "name", _NAME).strip(), _text(form, "password", _PASSWORD)
    token, wanted = _text(form, "csrf", 128), _text(form, "next", _NEXT)
    files = [await one.read() for one in form.getlist("files") if isinstance(one, UploadFile) and one.filename]
    try:
        pair = _pair([content for content in files if content])
    except UserError as error:
        return LoginTry(name, password, token, wanted, None, f"Your key's files: {error}.")
    if pair is not None and name not in {"", pair.person.name}:
        other = f"The files are the key of {pair.person.name}, not of {name}."
        return LoginTry(name, password, token, wanted, None, other)
    name = pair.person.name if pair is not None else name
    return LoginTry(name, password, token, wanted, pair, "" if name or not password else "Who are you? Type your name.")


def _pair(files: list[bytes]) -> KeyPair | None:
    if not files:
        return None
    if len(files) != 2:
        raise UserError("choose both, NAME.public.json and NAME.private.json")
    private_first = sorted(files, key=lambda content: b'"jwe"' not in content)
    return KeyPair(public=private_first[1], private=private_first[0])


def _text(form: FormData, name: str, longest: int) -> str:
    value = form.get(name)
    return value[:longest] if isinstance(value, str) else ""
