"""An SMTP server (RFC 5321) on loopback that keeps what it is given, and the HTTP one of a webhook, for tests."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import hmac
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typing_extensions import override

HOST = "127.0.0.1"


@dataclass
class MailRoom:
    """What a server does, and what it was given.

    Attributes:
        certificate: certificate and key for STARTTLS; it offers none without.
        tls: whether connections are encrypted from the first byte.
        user: who may log in; nobody has to where it is empty.
        password: likewise.
        refused: recipients that it takes nothing for.
        busy: how many messages it still refuses for the time being.
        got: messages with their recipients.
        logins: who logged in, and whether encrypted.
        port: that it listens at.
    """

    certificate: tuple[Path, Path] | None = None
    tls: bool = False
    user: str = ""
    password: str = ""
    refused: frozenset[str] = frozenset()
    busy: int = 0
    got: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    logins: list[tuple[str, bool]] = field(default_factory=list)
    port: int = 0

    @property
    def context(self) -> ssl.SSLContext:
        """For its side of an encrypted connection."""
        assert self.certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        return context


@contextlib.contextmanager
def mail_room(**options: Any) -> Iterator[MailRoom]:
    """Have a server while the context lasts."""
    room = MailRoom(**options)

    class Handler(socketserver.StreamRequestHandler):
        @override
        def handle(self) -> None:
            _Talk(self, room).run()

    with _served(socketserver.ThreadingTCPServer((HOST, 0), Handler)) as room.port:
        yield room


class _Talk:
    def __init__(self, handler: socketserver.StreamRequestHandler, room: MailRoom) -> None:
        self.room, self.socket, self.encrypted = room, handler.connection, room.tls
        if room.tls:
            self.socket = room.context.wrap_socket(self.socket, server_side=True)
        self.file = self.socket.makefile("rb")
        self.to: list[str] = []
        self.known = not room.user

    def say(self, *lines: str) -> None:
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def run(self) -> None:
        self.say("220 mail room")
        try:
            while line := self.file.readline():
                if not self.answer(line.decode().strip()):
                    return
        except (OSError, ValueError):
            return
        finally:
            self.file.close()

    def answer(self, line: str) -> bool:
        word = line.split(" ", maxsplit=1)[0].upper()
        match word:
            case "EHLO":
                offers = [*(["STARTTLS"] if self.room.certificate and not self.encrypted else [])]
                offers += ["AUTH PLAIN"] if self.room.user else []
                self.say(*(f"250-{one}" for one in ("mail room", *offers)), "250 8BITMIME")
            case "STARTTLS":
                self.say("220 go on")
                self.file.close()
                self.socket = self.room.context.wrap_socket(self.socket, server_side=True)
                self.file, self.encrypted = self.socket.makefile("rb"), True
            case "AUTH":
                _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                self.known = (user, password) == (self.room.user, self.room.password)
                self.room.logins.append((user, self.encrypted))
                self.say("235 welcome" if self.known else "535 5.7.8 wrong user or password")
            case "MAIL":
                self.to = []
                self.say("250 ok" if self.known else "530 log in first")
            case "RCPT":
                address = line[line.index("<") + 1 : line.index(">")]
                if address in self.room.refused:
                    self.say("550 no such mailbox")
                else:
                    self.to.append(address)
                    self.say("250 ok")
            case "DATA":
                self.take()
            case "QUIT":
                self.say("221 bye")
                return False
            case _:
                self.say("250 ok")
        return True

    def take(self) -> None:
        if self.room.busy:
            self.room.busy -= 1
            self.say("451 come back later")
            return
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.room.got.append((self.to, message))
        self.say("250 taken")


@dataclass
class Hook:
    """A webhook's end.

    Attributes:
        answers: statuses of its answers, one each; 204 when there are no more.
        got: bodies with their headers.
        url: its address.
    """

    answers: list[int] = field(default_factory=list)
    got: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def is_signed_with(self, secret: str, i: int = -1) -> bool:
        """Whether a body bears its signature, as a receiver would see."""
        body, headers = self.got[i]
        wanted = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
        return hmac.compare_digest(wanted, headers.get("x-labwright-signature", ""))


@contextlib.contextmanager
def hook(answers: list[int] | None = None) -> Iterator[Hook]:
    """Have a webhook's end while the context lasts."""
    end = Hook(answers or [])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            end.got.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(end.answers.pop(0) if end.answers else 204)
            self.send_header("content-length", "0")
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _served(ThreadingHTTPServer((HOST, 0), Handler)) as port:
        end.url = f"http://{HOST}:{port}/told"
        yield end


@contextlib.contextmanager
def _served(server: socketserver.ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[int]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
