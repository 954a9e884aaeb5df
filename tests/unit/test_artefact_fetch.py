"""A reference is a stranger's word: only what is allowed is read, and only what was announced is given."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from instruments.artefacts import ArtefactError, file_artefact, inline_artefact
from instruments.bulk.fetch import Sources, fetch, read
from instruments.bulk.fetch import read as read_artefact
from instruments.bulk.http import connect
from instruments.bulk.store import ArtefactStore
from instruments.messages import ArtefactRef

BASE = "http://127.0.0.1:8000/artefacts"


def ref(uri: str, data: bytes = b"pixels", n_bytes: int | None = None) -> ArtefactRef:
    n_bytes = len(data) if n_bytes is None else n_bytes
    return ArtefactRef(uri=uri, sha256=hashlib.sha256(data).hexdigest(), bytes=n_bytes, media_type="image/tiff")


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "exports" / "a b%20c" / "scan ü.tif"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"pixels")
    return path


def test_a_file_below_an_allowed_directory_is_read(tmp_path: Path, exported: Path) -> None:
    given = file_artefact(exported, "image/tiff")
    assert read_artefact(given) == b"pixels"
    assert read_artefact(given, Sources(directories=[tmp_path / "other", tmp_path / "exports"])) == b"pixels"
    assert asyncio.run(fetch(given, Sources(directories=[tmp_path]))) == b"pixels"


def test_a_file_elsewhere_is_not_read(tmp_path: Path, exported: Path) -> None:
    for allowed in ([], [tmp_path / "exports" / "a"], [tmp_path / "export"], [exported.parent / "deeper"]):
        with pytest.raises(ArtefactError, match="in no directory that instruments' files come from"):
            read_artefact(file_artefact(exported, "image/tiff"), Sources(directories=allowed))


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "file:{exports}/../../../../../../../../../etc/passwd",
        "file:{exports}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "file:{exports}/link",
        "file:{exports}/folder/passwd",
        "file:///proc/self/environ",
    ],
)
def test_no_way_leads_out_of_an_allowed_directory(tmp_path: Path, uri: str) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "link").symlink_to("/etc/passwd")
    (exports / "folder").symlink_to("/etc")
    with pytest.raises(ArtefactError, match="in no directory"):
        read_artefact(ref(uri.format(exports=exports)), Sources(directories=[exports]))


def test_an_allowed_directory_may_itself_be_a_link(tmp_path: Path, exported: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "exports")
    through = ref((link / exported.relative_to(tmp_path / "exports")).as_uri())
    assert read_artefact(through, Sources(directories=[link])) == b"pixels"


def test_neither_a_pipe_nor_a_directory_nor_an_endless_device_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ArtefactError, match="not a regular file"):
            read_artefact(ref(place.as_uri()))
    with pytest.raises(ArtefactError, match="cannot fetch"):
        read_artefact(ref(tmp_path.as_uri()))


def test_a_file_that_grew_or_changed_is_refused(exported: Path) -> None:
    given = file_artefact(exported, "image/tiff")
    exported.write_bytes(b"pixels and more")
    with pytest.raises(ArtefactError, match="not what was announced"):
        read_artefact(given)


def test_more_than_the_limit_is_not_even_opened(tmp_path: Path) -> None:
    given = ref((tmp_path / "missing").as_uri(), n_bytes=2000)
    with pytest.raises(ArtefactError, match="announces 2000 bytes, more than the 1000"):
        read(given, Sources(limit=1000))


def test_inline_data_are_verified() -> None:
    good = inline_artefact(b"pixels", "image/tiff")
    assert read_artefact(good, Sources(directories=[])) == b"pixels"
    for bad in ({"sha256": "0" * 64}, {"bytes": 7}, {"uri": "data:image/tiff;base64,!!!!"}):
        with pytest.raises(ArtefactError):
            read_artefact(good.model_copy(update=bad))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://bucket/key", "s3: URIs are not supported; let the device upload"),
        ("ftp://host/file", "only local file"),
        ("gopher://host", "only local file"),
        ("file://other-host/share/a.tif", "only local file"),
        ("plain words", "only local file"),
        ("http://[::1", "cannot fetch"),
        ("http://169.254.169.254/latest/meta-data", "named in Sources\\(origins"),
        ("https://example.org/x", "named in Sources\\(origins"),
    ],
)
def test_other_places_are_refused_in_words(uri: str, words: str) -> None:
    with pytest.raises(ArtefactError, match=words):
        read_artefact(ref(uri))


def test_our_own_artefacts_come_from_the_disk_without_a_network(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    digest = store.put(b"pixels", "image/tiff")
    own = Sources(own=(BASE, store))
    assert read(ref(f"{BASE}/{digest}"), own) == b"pixels"
    with pytest.raises(ArtefactError, match="missing"):
        read(ref(f"{BASE}/{hashlib.sha256(b'other').hexdigest()}", b"other"), own)
    for name in ("../x", "x", digest.upper(), f"{digest}/..", ""):
        with pytest.raises(ArtefactError):
            read(ref(f"{BASE}/{name}"), own)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:80001/artefacts/x",
        "http://127.0.0.1:8000.evil.org/artefacts/x",
        "http://127.0.0.1:8000@evil.org/artefacts/x",
        "https://127.0.0.1:8000/artefacts/x",
        "http://127.0.0.1:8000/artefacts-other/x",
        "http://127.0.0.1:8000/artefacts/../other",
        "http://127.0.0.1:8000/artefacts/%2e%2e/other",
        "http://127.0.0.1:8000/other",
    ],
)
def test_what_only_looks_like_an_allowed_server_is_not_asked(uri: str) -> None:
    with pytest.raises(ArtefactError, match=r"named in Sources\(origins.*it names"):
        read(ref(uri), Sources(origins=[BASE]))


@pytest.mark.parametrize(
    "uri", ["ftp://h/x", "http://", "http://u:p@h/x", "http://h:x/", "http://[", "http://h/a b", "http://h/ü"]
)
def test_a_connection_needs_a_plain_address(uri: str) -> None:
    with pytest.raises(ArtefactError):
        connect(uri)


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"ca\.pem cannot be read"):
        connect("https://h/x", ca=tmp_path / "ca.pem")
