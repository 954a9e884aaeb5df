"""How to connect to a broker of ours, in words that can be typed into a shell."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterable
from typing import Any

from rich.console import Console

from agent.connection import watching
from instruments.address import BrokerAddress, TlsOptions
from instruments.brokers.access import BrokerUser
from instruments.brokers.config import TlsListener
from instruments.topics import Lab

_RIGHTS = {
    "agent": "everything of the laboratory",
    "instrument": "its own topics",
    "person": "watches, and decides as themselves",
    "dashboard": "watches, and carries what people have signed",
}
_ANYWHERE = {"0.0.0.0", "::", "*"}  # noqa: S104 - recognised, not listened on


def connecting(known: Iterable[BrokerUser], lab: Lab, port: int, tls: TlsListener | None) -> dict[str, Any]:
    """Addresses and commands for every user, as plain values.

    Args:
        known: the users.
        lab: their laboratory.
        port: on loopback.
        tls: the listener beyond this machine.
    """
    users = []
    for user in known:
        address = BrokerAddress("127.0.0.1", port, user.name, user.password)
        entry: dict[str, Any] = {"name": user.name, "role": user.role, "url": address.url_with_password}
        if tls is not None:
            entry["tls_url"] = _beyond(user, tls).url_with_password
        entry["commands"] = _commands(user, address, lab)
        users.append(entry)
    return {"host": "127.0.0.1", "port": port, "lab": lab.lab, "topics": lab.everything, "users": users}


def print_connecting(line: dict[str, Any], console: Console, *, as_json: bool) -> None:
    """Print it for people, or as one line of JSON on standard output."""
    if as_json:
        Console(soft_wrap=True, highlight=False).print(json.dumps(line), markup=False)
        return
    width = max(len(user["name"]) for user in line["users"])
    for user in line["users"]:
        console.print(f"[bold]{user['name']:{width}}[/]  {user['role']}: {_RIGHTS[user['role']]}")
        for url in (user["url"], user.get("tls_url")):
            if url:
                _plain(console, f"{'':{width}}  {url}")
    console.print()
    for title, command in _wanted(line["users"]):
        console.print(f"[bold]{title}[/]")
        _plain(console, f"  {command}")
    console.print()


def _plain(console: Console, text: str) -> None:
    """A line that is copied and pasted: as it is, however long."""
    console.print(text, markup=False, soft_wrap=True)


def _wanted(users: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """One command of each kind, by the user who is made for it."""
    titles = {
        "watch": "Watch",
        "watch_url": "The same, in one word",
        "check": "Examine an instrument",
        "simulate": "Simulate a campaign here",
        "dashboard": "Show it in a browser",
    }
    by_role = sorted(users, key=lambda user: ["person", "agent", "dashboard", "instrument"].index(user["role"]))
    lines = []
    for key, title in titles.items():
        command = next((user["commands"][key] for user in by_role if key in user["commands"]), None)
        if command:
            lines.append((title, command))
    lines += [(f"Connect {user['name']}", user["commands"]["run"]) for user in users if "run" in user["commands"]]
    return lines


def _commands(user: BrokerUser, address: BrokerAddress, lab: Lab) -> dict[str, str]:
    url, there = shlex.quote(address.url_with_password), f"--lab {shlex.quote(lab.lab)}"
    if user.role == "instrument":
        return {"run": f"labwright instrument run FILE --iid {user.name} --broker {url} {there}"}
    watched = shlex.quote(f"{address.url_with_password}/{lab.everything}")
    commands = {
        "watch": watching(address, lab.everything, with_password=True),
        "watch_url": f"mosquitto_sub -L {watched} -v",
    }
    if user.role == "dashboard":
        commands["dashboard"] = f"labwright dashboard --broker {url} {there}"
    if user.role == "agent":
        commands["check"] = f"labwright instrument check IID --broker {url} {there}"
        commands["simulate"] = f"labwright simulate --broker {url} {there}"
    return commands


def _beyond(user: BrokerUser, tls: TlsListener) -> BrokerAddress:
    """The address for other machines; with client certificates nobody gives a password."""
    host = socket.gethostname() if tls.bind in _ANYWHERE else tls.bind
    if tls.ca is not None:
        return BrokerAddress(host, tls.port, tls=TlsOptions())
    return BrokerAddress(host, tls.port, user.name, user.password, tls=TlsOptions())
