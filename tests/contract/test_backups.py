"""Backups of journals in SQLite and in PostgreSQL: whole while somebody writes, checked on the way back."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import journal_events as je
import pytest
from journal_events import AT
from journal_places import Told, everything
from postgres import Cluster

from agent import events as ev
from agent.backup import backup, restore
from agent.journal import FILE, Journal
from agent.store import ArtefactStore
from envs.errors import JournalError, UserError

pytest_plugins = ["journal_places"]

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IMAGE = b"II*\x00 an image"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with an artefact, a person and a secret; the laboratory's file beside it."""
    state = tmp_path / "lab" / "state"
    (state / "people").mkdir(parents=True)
    (state / "secrets").mkdir()
    (state / "people" / "alice.public.json").write_text('{"name": "alice"}')
    (state / "secrets" / "broker-password").write_text("hush")
    (tmp_path / "lab" / "LAB.toml").write_text('[lab]\nname = "kiln"\n')
    ArtefactStore(state / "artefacts").put(IMAGE, "image/tiff")
    return state


def life(state: Path) -> list[ev.Event]:
    """All events, with the image that is there, and a checkpoint and an overlay that are not."""
    digest = next((state / "artefacts").glob("*.tif")).stem
    there = ev.ArtefactRecord(sha256=digest, media_type="image/tiff", bytes=len(IMAGE))
    found: list[ev.Event] = []
    for one in je.whole_life():
        if isinstance(one, ev.ImageRead):
            found.append(one.model_copy(update={"image": there}))
        elif isinstance(one, ev.StepEnded) and one.artefacts:
            found.append(one.model_copy(update={"artefacts": {"image": there}}))
        else:
            found.append(one)
    return found


def test_what_was_backed_up_comes_back_and_waits_for_a_person(place: Path | str, state: Path, tmp_path: Path) -> None:
    archive, back = tmp_path / "kept.tar", tmp_path / "back"
    with Journal(place, write=True) as journal:
        journal.append(life(state), AT, outbox=[Told("order", "j9"), Told("campaign", "hard")], inbox=("f", "m"))
        events = journal.read()
        made = backup(place, state, archive, made_at=NOW, lab_file=state.parent / "LAB.toml")
    assert (made.events, made.tip) == (len(events), events[-1].hash)
    assert list(made.missing) == ["c" * 64]  # the checkpoint was never there
    assert archive.stat().st_mode & 0o077 == 0
    with tarfile.open(archive) as tar:
        assert "hush" not in "".join(tar.getnames())
        assert not [name for name in tar.getnames() if "secret" in name]
    done = restore(archive, back, at=NOW)
    assert (done.events, done.stopped, list(done.missing)) == (len(events), True, ["c" * 64])
    assert ArtefactStore(back / "artefacts").get(next((state / "artefacts").glob("*.tif")).stem) == IMAGE
    assert (back / "people" / "alice.public.json").read_text() == '{"name": "alice"}'
    assert (back / "LAB.toml").read_text() == '[lab]\nname = "kiln"\n'
    with Journal(back, write=True) as journal:
        assert journal.read()[:-1] == events
        last = journal.read()[-1].event
        assert isinstance(last, ev.LabStopped)
        assert "look at what was done since" in last.reason
        assert [(e.kind, e.key) for e in journal.outbox()] == [("order", "j9"), ("campaign", "hard")]
        assert journal.seen("f", "m")
        journal.verify(projections=True)


def test_a_backup_goes_into_a_database_whatever_it_came_from(
    place: Path | str, state: Path, tmp_path: Path, server: Cluster
) -> None:
    with Journal(place, write=True) as journal:
        journal.append(life(state), AT, outbox=[Told("order", "j9")])
        events, tables = journal.read(), everything(journal)
    backup(place, state, tmp_path / "kept.tar", made_at=NOW)
    url = server.database()
    restore(tmp_path / "kept.tar", tmp_path / "back", at=NOW, place=url)
    assert not (tmp_path / "back" / FILE).exists()
    with Journal(url, write=True) as journal:
        assert journal.read()[:-1] == events
        journal.append([ev.LabCleared(by="carol", reason="looked")], NOW)
        now = everything(journal)
        assert {k: v for k, v in now.items() if k != "lab"} == {k: v for k, v in tables.items() if k != "lab"}
        assert len(journal.outbox()) == 1
        journal.verify(projections=True)
    with pytest.raises(JournalError, match="is not empty"):
        restore(tmp_path / "kept.tar", tmp_path / "again", at=NOW, place=url)
    assert not (tmp_path / "again").exists()


def test_a_backup_made_amid_writing_is_whole(place: Path | str, state: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    with Journal(place, write=True) as journal:
        journal.append([je.created("hard")], AT)

        def write() -> None:
            n = 0
            while not stop.is_set():
                n += 1
                journal.append([je.proposed("hard", n), je.decided("hard", n), je.queued("hard", n)], AT)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            made = [backup(place, state, tmp_path / f"{n}.tar", made_at=NOW) for n in range(4)]
        finally:
            stop.set()
            writer.join()
    for n, one in enumerate(made):
        restore(one.path, tmp_path / f"back{n}", at=NOW)
        with Journal(tmp_path / f"back{n}", write=False) as journal:
            assert journal.verify(projections=True) == one.events
            assert one.events % 3 == 1  # three events a transaction after the first


def test_campaign_files_come_along_and_private_keys_do_not(archive: Path, state: Path, tmp_path: Path) -> None:
    archive.unlink()
    (state / "people" / "alice.private.json").write_text('{"jwe": "hush"}')
    lab = state.parent / "LAB.toml"
    (lab.parent / "campaigns").mkdir()
    (lab.parent / "campaigns" / "hard.toml").write_text("[campaign]\nexperiments = 4\n")
    named = "\n".join(f'[[campaign]]\nid = "c{n}"\nfile = "{name}"' for n, name in enumerate(
        ("campaigns/hard.toml", "campaigns/hard.toml", "../outside.toml", "nowhere.toml")
    ))  # fmt: skip
    lab.write_text(f'[lab]\nname = "kiln"\n{named}\n')
    made = backup(state, state, archive, made_at=NOW, lab_file=lab)
    assert {name for name in made.files if name.split("/")[0] in {"lab", "people"}} == {
        "lab/LAB.toml", "lab/campaigns/hard.toml", "people/alice.public.json",
    }  # fmt: skip
    assert {"../outside.toml", "nowhere.toml"} < made.missing.keys()
    back = tmp_path / "back"
    restore(archive, back, at=NOW)
    assert (back / "campaigns" / "hard.toml").read_text() == "[campaign]\nexperiments = 4\n"
    for path in [back, *back.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0 or path.name.startswith("journal"), path


def test_a_restore_into_a_database_that_breaks_off_leaves_it_empty(
    archive: Path, tmp_path: Path, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, back = server.database(), tmp_path / "back"

    def killed(*_: object, **__: object) -> None:
        raise OSError(5, "killed")

    for method in ("append", "fill"):
        with monkeypatch.context() as patched:
            patched.setattr(Journal, method, killed)
            with pytest.raises(UserError, match="cannot be restored"):
                restore(archive, back, at=NOW, place=url)
        assert not back.exists()
    assert restore(archive, back, at=NOW, place=url).stopped
    with Journal(url, write=False) as journal:
        assert isinstance(journal.read()[-1].event, ev.LabStopped)


# ---- What is refused


@pytest.fixture
def archive(tmp_path: Path, state: Path) -> Path:
    with Journal(state, write=True) as journal:
        journal.append(life(state), AT)
    return backup(state, state, tmp_path / "kept.tar", made_at=NOW).path


def again(archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """The archive with changed files."""
    target = archive.with_name("changed.tar")
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            if (kept := change(member.name, content.read())) is not None:
                entry = tarfile.TarInfo(kept[0])
                entry.size = len(kept[1])
                new.addfile(entry, io.BytesIO(kept[1]))
    return target


def drop(folder: str) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    return lambda name, data: None if name.startswith(folder) else (name, data)


def spoil(folder: str) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    return lambda name, data: (name, data[:-1] + b"?") if name.startswith(folder) else (name, data)


def rename(folder: str, other: str) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    return lambda name, data: (other, data) if name.startswith(folder) else (name, data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("artefacts/"), r"artefacts/.* is missing"),
        (drop("manifest"), r"its manifest.json is missing"),
        (drop("journal/"), r"journal/journal.sqlite is missing"),
        (spoil("artefacts/"), r"artefacts/.* is not what was put in it"),
        (spoil("people/"), r"people/alice.public.json is not what was put in it"),
        (spoil("journal/"), r"journal.sqlite is not what was put in it"),
        (rename("people/", "people/mallory.json"), r"people/alice.public.json is missing"),
        (rename("people/", "../alice.json"), r"alice.json does not belong in one"),
        (rename("people/", "/etc/alice.json"), r"alice.json does not belong in one"),
        (rename("people/", "people/../../alice.json"), r"alice.json does not belong in one"),
    ],
)
def test_a_changed_archive_is_refused_and_leaves_nothing(
    archive: Path, tmp_path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], said: str
) -> None:
    changed = again(archive, change)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(UserError, match=said):
        restore(changed, tmp_path / "back", at=NOW)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_archive_that_agrees_with_itself_but_not_with_its_chain_is_refused(archive: Path, tmp_path: Path) -> None:
    def lie(name: str, data: bytes) -> tuple[str, bytes]:
        return name, json.dumps({**json.loads(data), "tip": "f" * 64}).encode() if name == "manifest.json" else data

    with pytest.raises(JournalError, match="its journal ends at event"):
        restore(again(archive, lie), tmp_path / "back", at=NOW)


def test_half_an_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    for size in (0, 100, len(whole) // 2):
        archive.write_bytes(whole[:size])
        with pytest.raises(UserError, match="is no whole backup"):
            restore(archive, tmp_path / "back", at=NOW)
    with pytest.raises(UserError, match="No such file"):
        restore(tmp_path / "nowhere.tar", tmp_path / "back", at=NOW)


def test_what_is_there_is_never_overwritten(archive: Path, state: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is there already"):
        backup(state, state, archive, made_at=NOW)
    with pytest.raises(UserError, match="is not empty"):
        restore(archive, state, at=NOW)
    (tmp_path / "empty").mkdir()
    assert restore(archive, tmp_path / "empty", at=NOW).events == len(je.whole_life())


def test_a_damaged_journal_is_not_backed_up(archive: Path, state: Path, tmp_path: Path) -> None:
    path = state / FILE
    data = path.read_bytes()
    at = data.index(b'"reason":"smell"')
    path.write_bytes(data[:at] + data[at:].replace(b"smell", b"smoke", 1))
    with pytest.raises(JournalError, match="hash chain breaks"):
        backup(state, state, tmp_path / "second.tar", made_at=NOW)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept.tar", "lab"]


def test_an_offline_campaign_comes_back_without_a_stop(tmp_path: Path) -> None:
    with Journal(tmp_path / "c", write=True) as journal:
        journal.append([je.created("campaign")], AT)
    backup(tmp_path / "c", tmp_path / "c", tmp_path / "kept.tar", made_at=NOW)
    assert not restore(tmp_path / "kept.tar", tmp_path / "back", at=NOW).stopped
    with Journal(tmp_path / "back", write=False) as journal:
        assert journal.verify() == 1
