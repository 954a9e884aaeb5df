"""Who somebody is at a broker: asked for at a terminal where nothing says it, and said what was missing where not."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from agent.connection import PASSWORD
from agent.deciding.asked import BROKER
from agent.deciding.place import Place
from instruments.errors import TransportError

_UNKNOWN = ("not authorized", "bad user", "bad username")


def with_credentials(place: Place, *, name: str = "") -> Place:
    """The same place with the user and the password that the person at the terminal gives; as it is without one.

    Args:
        place: whose broker may know its users.
        name: that is meant where the person says nothing else.
    """
    address = place.address
    if address.password or (address.tls and address.tls.certificate) or not sys.stdin.isatty():
        return place
    user = address.username
    if not user and place.asks:
        user = str(typer.prompt("Your user at the broker", default=name or None, err=True))
    if not user:
        return place
    said = f"Password of {user} at the broker {address.host} (not that of the key)"
    password = str(typer.prompt(said, default="", show_default=False, hide_input=True, err=True))
    return replace(place, address=replace(address, username=user, password=password))


def explained(error: TransportError, place: Place) -> TransportError:
    """A broker's refusal with what to do about it."""
    if not any(words in str(error).lower() for words in _UNKNOWN):
        return error
    user = place.address.username
    if user and place.address.password:
        todo = f"the password of {user} in the URL or in {PASSWORD} is not the one that the broker knows"
    elif user:
        todo = f"set {PASSWORD} to the password of {user}, or give it in the URL"
    else:
        todo = f"name a user: mqtt://NAME@host:port in --broker or {BROKER}, and the password in {PASSWORD}"
    return TransportError(f"{error}: {todo}")
