"""The embedded broker's own process: reads its orders from standard input and ends when that is closed.

Standard input is the lifeline: it closes when the parent leaves, is interrupted or is killed, and no broker stays
behind, nor the directory with its passwords where that is temporary. Orders are one JSON line: ``kind``, ``port``,
``username``, ``password``, ``directory``, ``temporary``, and ``program`` where the kind is Mosquitto.
"""

from __future__ import annotations

import asyncio
import base64
import getpass
import hashlib
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_PATIENCE_S = 5.0


def mosquitto_password_line(username: str, password: str) -> str:
    """A line of Mosquitto's password file: PBKDF2-HMAC-SHA512, as ``mosquitto_passwd`` 2.x writes it."""
    salt, rounds = secrets.token_bytes(12), 101
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 64)
    return f"{username}:$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}\n"


def mosquitto_config(port: int, directory: Path) -> str:
    """Loopback only, passwords, persistent, no Nagle delay."""
    return "\n".join(
        [
            f"listener {port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {directory / 'passwords'}",
            "persistence true",
            f"persistence_location {directory}/",
            "autosave_interval 30",
            "set_tcp_nodelay true",
            "max_queued_messages 10000",
            # Started by root it would become another user, who may not read the directory.
            f"user {getpass.getuser()}",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "",
        ]
    )


def run_mosquitto(orders: dict[str, Any]) -> int:
    """Run Mosquitto until standard input closes; returns its exit status when it ends by itself."""
    directory = Path(orders["directory"])
    passwords = directory / "passwords"
    passwords.touch(mode=0o600)
    passwords.write_text(mosquitto_password_line(orders["username"], orders["password"]))
    config = directory / "mosquitto.conf"
    config.write_text(mosquitto_config(orders["port"], directory))
    log = directory / "mosquitto.log"
    with log.open("wb") as handle:
        child = subprocess.Popen(  # noqa: S603
            [orders["program"], "-c", str(config)], stdin=subprocess.DEVNULL, stdout=handle, stderr=handle
        )
    try:
        asyncio.run(_until_closed_or(lambda: child.poll() is not None))
        if child.returncode:
            # It ended by itself: only then does a person want to read what it says, warnings about root included.
            sys.stderr.write(log.read_text(errors="replace"))
    finally:
        child.terminate()
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode


async def _until_closed_or(over: Any) -> None:
    """Wait until standard input closes or ``over`` says so."""
    loop, lifeline = asyncio.get_running_loop(), sys.stdin.fileno()
    closed = asyncio.Event()
    loop.add_reader(lifeline, lambda: None if os.read(lifeline, 1024) else closed.set())
    try:
        while not closed.is_set() and not over():
            try:
                await asyncio.wait_for(closed.wait(), 0.2)
            except TimeoutError:
                continue
    finally:
        loop.remove_reader(lifeline)


async def run_amqtt(orders: dict[str, Any]) -> int:
    """Run amqtt until standard input closes."""
    from amqtt.broker import Broker
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    passwords = Path(orders["directory"]) / "passwords"
    passwords.touch(mode=0o600)
    # The password is 24 random bytes: nothing is to be guessed, so a slow hash would only slow every connection down.
    hashed = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)).hash(orders["password"])
    passwords.write_text(f"{orders['username']}:{hashed}\n")
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{orders['port']}"}},
            "plugins": {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)},
            },
        }
    )
    await broker.start()
    await _until_closed_or(lambda: False)
    try:
        await asyncio.wait_for(broker.shutdown(), _PATIENCE_S)
    except TimeoutError:
        return 1
    return 0


def main() -> int:
    """Read the orders and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it closes the lifeline
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # a shutdown, too, tidies up
    # amqtt calls each client that leaves without a word an error; its start-up failures are raised, not logged.
    logging.basicConfig(level=logging.CRITICAL)
    orders = json.loads(sys.stdin.readline())
    try:
        return run_mosquitto(orders) if orders["kind"] == "mosquitto" else asyncio.run(run_amqtt(orders))
    finally:
        if orders["temporary"]:
            # The parent does this in order; it cannot when it was killed.
            shutil.rmtree(orders["directory"], ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
