"""Whatever a client does, the store holds whole artefacts under their own hashes and nothing else."""

import asyncio
import hashlib
import json
import tempfile
import threading
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from instruments.bulk.endpoint import ArtefactEndpoint, Limits
from instruments.bulk.quotas import BusyQuotaError, QuotaError, Quotas
from instruments.bulk.store import ArtefactStore
from instruments.bulk.tickets import Tickets
from instruments.clock import SimClock

TICKETS = Tickets(bytes(range(32)), SimClock(datetime(2026, 5, 4, tzinfo=UTC)))
TOKEN = TICKETS.issue("j1", uri="http://store/artefacts", limit=200).token
QUICK = Limits(idle_s=0.01, linger_s=0.001, wait_s=0.01)

contents = st.binary(max_size=250)
headers = st.fixed_dictionaries(
    {},
    optional={
        "authorization": st.sampled_from([f"Bearer {TOKEN}"] * 6 + [f"bearer {TOKEN}", "Bearer x", TOKEN, ""]),
        "content-type": st.sampled_from(["image/tiff"] * 6 + ["text/csv; charset=utf-8", "image", "", "IMAGE/PNG"]),
        "transfer-encoding": st.sampled_from(["chunked", "identity"]),
        "expect": st.just("100-continue"),
    },
)
ends = st.sampled_from(["end"] * 6 + ["disconnect", "silence", "more"])


def talk(
    store: ArtefactStore,
    method: str,
    name: str,
    fields: dict[str, str],
    chunks: list[bytes],
    end: str,
    *,
    endpoint: ArtefactEndpoint | None = None,
) -> tuple[int, bytes]:
    """One request by ASGI; what was answered, 0 when nothing was."""
    sent: list[MutableMapping[str, Any]] = []
    coming: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
    if end == "end":
        coming.append({"type": "http.request", "body": b"", "more_body": False})
    elif end != "silence":
        coming.append({"type": "http.disconnect"})

    async def receive() -> MutableMapping[str, Any]:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": f"/artefacts/{name}",
        "path_params": {"sha256": name},
        "headers": [(k.encode(), v.encode()) for k, v in fields.items()],
    }
    asyncio.run((endpoint or ArtefactEndpoint(store, TICKETS, limits=QUICK))(scope, receive, send))
    if not sent:
        return 0, b""
    assert [m["type"] for m in sent] == ["http.response.start"] + ["http.response.body"] * (len(sent) - 1)
    assert [m.get("more_body") for m in sent[1:]] == [True] * (len(sent) - 2) + [False]
    return sent[0]["status"], b"".join(m["body"] for m in sent[1:])


@settings(max_examples=300)
@given(
    method=st.sampled_from(["PUT"] * 8 + ["GET", "HEAD", "POST"]),
    content=contents,
    named=st.none() | contents,
    fields=headers,
    claimed=st.none() | st.integers(-1, 260),
    cuts=st.lists(st.integers(0, 250), max_size=4),
    end=ends,
)
def test_the_store_holds_whole_artefacts_alone(
    method: str,
    content: bytes,
    named: bytes | None,
    fields: dict[str, str],
    claimed: int | None,
    cuts: list[int],
    end: str,
) -> None:
    edges = sorted({0, *(c for c in cuts if c < len(content)), len(content)})
    chunks = [content[a:b] for a, b in pairwise(edges)]
    name = hashlib.sha256(content if named is None else named).hexdigest()
    fields = {**fields, "content-length": str(len(content) if claimed is None else claimed)}
    with tempfile.TemporaryDirectory() as place:
        store = ArtefactStore(Path(place))
        code, body = talk(store, method, name, fields, chunks, end)
        found = list(Path(place).iterdir())
        for path in found:
            assert path.name.partition(".")[0] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert code < 500
        assert bool(found) == (code == 201)
    if code >= 400 and body:
        assert json.loads(body)["status"] == code
    honest = named in {None, content} and claimed in {None, len(content)} and end == "end" and len(content) <= 200
    allowed = fields.get("authorization", "").lower().endswith(TOKEN.lower()) and " " in fields["authorization"]
    if method == "PUT" and honest and allowed and "transfer-encoding" not in fields:
        assert code == (201 if fields.get("content-type", "").partition(";")[0].count("/") else 415)
    if code == 201:
        assert json.loads(body) == {
            "sha256": name,
            "bytes": len(content),
            "media_type": fields["content-type"].partition(";")[0].lower(),
        }


def test_a_store_is_searched_beside_the_event_loop(tmp_path: Path) -> None:
    searchers = list[threading.Thread]()

    class Large(ArtefactStore):
        @override
        def __contains__(self, digest: str) -> bool:
            searchers.append(threading.current_thread())
            return super().__contains__(digest)

    store = Large(tmp_path)
    given = {"authorization": f"Bearer {TOKEN}"}
    assert talk(store, "GET", store.put(b"pixels"), given, [], "end") == (200, b"pixels")
    assert talk(store, "GET", "0" * 64, given, [], "end")[0] == 404
    assert len(searchers) == 2
    assert threading.main_thread() not in searchers


def put(content: bytes) -> tuple[str, str, dict[str, str], list[bytes], str]:
    name = hashlib.sha256(content).hexdigest()
    fields = {"authorization": f"Bearer {TOKEN}", "content-type": "image/tiff", "content-length": str(len(content))}
    return "PUT", name, fields, [content], "end"


def test_a_job_brings_only_so_much_in_all(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    endpoint = ArtefactEndpoint(store, TICKETS, limits=replace(QUICK, artefacts=2))
    first, second = bytes(200), b"1" * 150
    assert talk(store, *put(first), endpoint=endpoint)[0] == 201
    assert talk(store, *put(first), endpoint=endpoint)[0] == 200
    method, name, fields, _chunks, _end = put(second)
    assert talk(store, method, name, fields, [b"0" * 150], "end", endpoint=endpoint)[0] == 400
    assert talk(store, *put(second), endpoint=endpoint)[0] == 201
    code, body = talk(store, *put(b"2" * 51), endpoint=endpoint)
    assert code == 413
    assert json.loads(body)["detail"] == (
        "job j1 has brought 350 bytes: these 51 are beyond the 400 that a job may bring in all"
    )
    assert talk(store, *put(second), endpoint=endpoint)[0] == 200, "the answer was lost: it costs nothing to tell again"
    assert talk(store, *put(b"2" * 50), endpoint=endpoint)[0] == 201
    other = {"authorization": f"Bearer {TICKETS.issue('j2', uri='http://store/artefacts', limit=200).token}"}
    method, name, fields, chunks, end = put(b"3" * 51)
    assert talk(store, method, name, fields | other, chunks, end, endpoint=endpoint)[0] == 201


def test_what_is_on_its_way_counts_until_it_has_come_or_failed() -> None:
    quotas = Quotas()
    with quotas.share("j1", 60, 100) as share:
        with pytest.raises(BusyQuotaError, match="come back"):
            quotas.share("j1", 50, 100)
        share.keep(60)
    with pytest.raises(QuotaError, match="beyond the 100"):
        quotas.share("j1", 50, 100)
    with quotas.share("j1", 40, 100):
        pass
    with quotas.share("j1", 40, 100) as share:
        share.keep(40)


def test_the_disk_is_not_filled_to_its_brim(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    endpoint = ArtefactEndpoint(store, TICKETS, limits=replace(QUICK, reserve=1 << 60))
    assert talk(store, *put(b"pixels"), endpoint=endpoint)[0] == 507
    assert talk(store, *put(b"pixels"))[0] == 201
    assert Limits().reserve == 256 * 1024 * 1024


def test_only_who_wants_the_content_has_it_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtefactStore(tmp_path)
    digest, opened = store.put(b"pixels"), list[str]()
    genuine = store.open

    def noted(name: str) -> BinaryIO:
        opened.append(name)
        return genuine(name)

    monkeypatch.setattr(store, "open", noted)
    given = {"authorization": f"Bearer {TOKEN}"}
    assert talk(store, "HEAD", digest, given, [], "end") == (200, b"")
    assert opened == []
    busy = ArtefactEndpoint(store, TICKETS, limits=replace(QUICK, uploads=0))
    assert talk(store, "GET", digest, given, [], "end", endpoint=busy)[0] == 503
    assert opened == []
    assert talk(store, "GET", digest, given, [], "end") == (200, b"pixels")
    assert opened == [digest]
