"""Uploads over TLS: who is trusted, and what is heard below it."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from artefact_bench import PIXELS, SHA, Sleeps, tickets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from instruments.artefacts import ArtefactError
from instruments.bulk.fetch import Sources, fetch
from instruments.bulk.server import serve_artefacts
from instruments.bulk.store import ArtefactStore
from instruments.bulk.upload import upload


def self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem, secret = directory / "store.pem", directory / "store.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


def test_certificates_are_verified_in_name_and_authority(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)

    async def run() -> None:
        store = ArtefactStore(tmp_path / "store")
        serving = serve_artefacts(store, tickets(), host="0.0.0.0", public_host="127.0.0.1",  # noqa: S104
                                  certificate=certificate, key=key)  # fmt: skip
        async with serving as server:
            assert server.uri.startswith("https://127.0.0.1:")
            ticket = server.ticket("j1")
            ref = await upload(ticket, PIXELS, "image/tiff", ca=certificate)
            assert await fetch(ref, Sources(origins=[server.base], token=ticket.token, ca=certificate)) == PIXELS
            sleeps = Sleeps()
            with pytest.raises(ArtefactError, match="certificate verify failed"):
                await upload(ticket, b"untrusted", "image/tiff", sleeper=sleeps)
            named = ticket.model_copy(update={"uri": ticket.uri.replace("127.0.0.1", "localhost")})
            with pytest.raises(ArtefactError, match="certificate verify failed"):
                await upload(named, b"misnamed", "image/tiff", sleeper=sleeps, ca=certificate)
            assert sleeps.seconds == []
        assert [p.name for p in store.directory.iterdir()] == [f"{SHA}.tif"]

    asyncio.run(run())


def test_rubbish_after_the_last_request_makes_no_noise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Below TLS bytes still come when the server has closed."""
    certificate, key = self_signed(tmp_path)

    async def run() -> None:
        async with serve_artefacts(
            ArtefactStore(tmp_path / "store"), tickets(), certificate=certificate, key=key
        ) as server:
            trusting = ssl.create_default_context(cafile=certificate)
            port = int(server.base.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            lines = ["Host: s", f"Authorization: Bearer {server.ticket('j1').token}", "Content-Type: image/tiff"]
            head = "\r\n".join([f"PUT /artefacts/{SHA} HTTP/1.1", *lines, "Content-Length: 0", "", ""])
            with suppress(ConnectionError, asyncio.TimeoutError, ssl.SSLError):
                writer.write(head.encode() + PIXELS)
                await writer.drain()
                writer.write(PIXELS)
                await writer.drain()
                await reader.read()
            writer.transport.abort()

    asyncio.run(run())
    assert not [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]


def test_plain_http_to_a_port_with_tls_is_a_failed_connection(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)

    async def run() -> None:
        async with serve_artefacts(ArtefactStore(tmp_path), tickets(), certificate=certificate, key=key) as server:
            plain = server.ticket("j1").model_copy(update={"uri": server.uri.replace("https", "http")})
            with pytest.raises(ArtefactError, match="no answer"):
                await upload(plain, PIXELS, "image/tiff", sleeper=Sleeps(), attempts=1)

    asyncio.run(run())
