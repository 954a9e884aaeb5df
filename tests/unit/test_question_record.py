"""What is asked of the record: its entries in words, whether it is whole, and its pictures."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from desk_bench import Lab
from lab_bench import HARD, registry
from PIL import Image

from agent import events as ev
from agent.daemon.question_audit import AuditPages
from agent.daemon.question_picture import Pictures
from agent.daemon.question_verify import HOLDS_S, RecordCheck, read_apart, verification
from agent.daemon.question_words import entry_of, words_of
from agent.journal import Journal
from agent.store import ArtefactStore
from envs.errors import LabwrightError, UserError
from instruments.profile.questions import Entry, Question, Verification

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def asked(about: str, **more: Any) -> Question:
    return Question.model_validate({"lab": "lab", "question": "q", "about": about, **more})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Journal(tmp_path / "state", write=True) as journal:
        yield Lab(journal)


def decided(lab: Lab) -> str:
    """A round of which anna approves one proposal; what she may not do is refused."""
    pid, *_ = lab.plan({}, {})
    token = lab.pen.decision("anna", lab.bodies[pid], "approve", lab.now)
    lab.arrives("anna", pid, token)
    lab.arrives("anna", pid, token)
    return pid


def page(tmp_path: Path, **more: Any) -> tuple[tuple[Entry, ...], bool]:
    return AuditPages(tmp_path / "state").page(asked("audit", **more))


def test_entries_come_newest_first_and_page_by_page(lab: Lab, tmp_path: Path) -> None:
    decided(lab)
    everything, more = page(tmp_path, limit=100)
    assert not more
    assert [entry.seq for entry in everything] == list(range(lab.journal.seq, 0, -1))
    assert [entry.hash for entry in everything[::-1]] == [stored.hash for stored in lab.journal.scan()]
    pages: list[Entry] = []
    before, more = None, True
    while more:
        entries, more = page(tmp_path, limit=2, **({"before": before} if before else {}))
        pages += entries
        before = entries[-1].seq
    assert pages == list(everything)


def test_an_entry_says_who_did_what_and_whether_it_is_signed(lab: Lab, tmp_path: Path) -> None:
    pid = decided(lab)
    entries = {entry.kind: entry for entry in page(tmp_path, limit=100)[0]}
    made = entries["proposal.decided"]
    assert (made.by, made.subject, made.signed) == ("anna", pid, True)
    assert "approved by anna" in made.text
    refused = entries["envelope.refused"]
    assert (refused.by, refused.signed) == ("", False)  # somebody pretends to be anna
    assert "refused" in refused.text


def test_only_what_is_about_one_thing_or_one_person(lab: Lab, tmp_path: Path) -> None:
    pid = decided(lab)
    eid = next(e.experiment for e in lab.events if isinstance(e, ev.ExperimentQueued))
    of_proposal = {entry.kind for entry in page(tmp_path, subject=pid)[0]}
    assert of_proposal == {"proposal.made", "proposal.decided", "experiment.queued", "envelope.refused"}
    # Whoever looks at an experiment sees who allowed it.
    assert "proposal.decided" in {entry.kind for entry in page(tmp_path, subject=eid)[0]}
    assert {entry.kind for entry in page(tmp_path, subject="anna")[0]} == {"proposal.decided", "envelope.refused"}
    assert {entry.kind for entry in page(tmp_path, subject=HARD)[0]} >= {"round.planned", "proposal.made"}
    assert page(tmp_path, subject="nobody") == ((), False)
    assert page(tmp_path, subject="an") == ((), False)


def test_one_of_two_who_decided_is_found(lab: Lab, tmp_path: Path) -> None:
    both = ev.ProposalDecided(proposal="P001", verdict="approved", by="anna,bob", reason="")
    lab.plan({})
    with_names = ev.ProposalDecided.model_validate({**both.model_dump(), "proposal": next(iter(lab.bodies))})
    lab.journal.append([with_names], NOW)
    for name in ("anna", "bob"):
        assert [entry.by for entry in page(tmp_path, subject=name)[0]] == ["anna,bob"]


def test_every_kind_of_event_has_words_of_its_own() -> None:
    """No entry is shown as its kind alone, and none as JSON."""
    plain: dict[str, Any] = {
        "str": "x", "int": 1, "float": 1.0, "bool": True, "dict": {}, "tuple": (), "none": None,
    }  # fmt: skip
    for cls in get_args(get_args(ev.Event)[0]):
        fields = {
            name: field.get_default(call_default_factory=True)
            if not field.is_required()
            else _some(str(field.annotation), plain)
            for name, field in cls.model_fields.items()
        }
        event = cls.model_construct(**fields)
        words = words_of(event)
        assert words, cls
        assert words != event.kind.replace(".", " "), cls
        assert "{" not in words, cls


def _some(annotation: str, plain: dict[str, Any]) -> Any:
    if "DesignRecord" in annotation:
        return ev.DesignRecord(crystal="mp-1", formula="TiB2", process={"temperature": 1800.0})
    if "ArtefactRecord" in annotation and "None" not in annotation and "dict" not in annotation:
        return ev.ArtefactRecord(sha256="a" * 64, media_type="image/png", bytes=3)
    if "Terms" in annotation:
        return ev.Terms(digest="", body="", created_at="", expires_at="", recipe_hash="", limits_version="")
    if "Literal" in annotation:
        return annotation.split("'")[1]
    named = (name for name in ("none", "dict", "tuple", "bool", "float", "int", "str") if name in annotation.lower())
    return plain[next(named)]


def test_control_characters_of_others_are_not_passed_on(lab: Lab, tmp_path: Path) -> None:
    lab.plan({})
    lab.ask("ole", "stop-lab", comment="smoke\x1b[2J\x01\nin the hall: 1400\N{NO-BREAK SPACE}°C")
    said = [entry.text for entry in page(tmp_path, limit=100)[0] if "smoke" in entry.text]
    assert said
    assert all("smoke\ufffd[2J\ufffd\nin the hall: 1400\N{NO-BREAK SPACE}°C" in text for text in said)


# ---- Whether it is whole


def test_a_whole_record_is_said_to_be_whole_with_its_signatures(lab: Lab, tmp_path: Path) -> None:
    decided(lab)
    people = tmp_path / "people"
    people.mkdir()
    for person in registry():
        (people / f"{person.name}.public.json").write_text(person.model_dump_json())
    found = verification(tmp_path / "state", people)
    assert (found.whole, found.entries, found.signatures, found.tip) == (True, lab.journal.seq, 1, lab.journal.hash)
    apart = asyncio.run(read_apart(tmp_path / "state", people))
    assert apart.model_copy(update={"took_s": found.took_s}) == found


def test_what_was_changed_is_found_and_said(lab: Lab, tmp_path: Path) -> None:
    decided(lab)
    lab.journal.close()
    with sqlite3.connect(tmp_path / "state" / "journal.sqlite") as database:
        database.execute("UPDATE events SET payload = replace(payload, 'TiB2', 'TiB3')")
        database.execute("UPDATE events SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 2")
    database.close()
    found = verification(tmp_path / "state", tmp_path)
    assert not found.whole
    assert "event" in found.faults[0]


def test_a_record_that_is_not_there_is_not_whole(tmp_path: Path) -> None:
    found = asyncio.run(read_apart(tmp_path / "nowhere", tmp_path))
    assert not found.whole
    assert found.faults


class Reading:
    """A record that is read, and the one who says what was found."""

    def __init__(self, **more: Any) -> None:
        self.now_s, self.reads, self.whole = 100.0, 0, True
        self.gate: asyncio.Event | None = None
        self.fault: Exception | None = None
        self.check = RecordCheck(self.read, monotonic=lambda: self.now_s, **more)

    async def read(self) -> Verification:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return Verification(whole=self.whole, entries=1, tip="a" * 64)

    async def ask(self) -> Verification:
        found: Verification = (await self.check.answer(asked("verify")))["verification"]
        return found


def test_what_is_changed_behind_the_writers_back_is_found_when_the_next_one_asks() -> None:
    async def story() -> None:
        record = Reading()
        told: list[Verification] = []
        record.check.on_found = told.append
        assert (await record.ask()).faults == ()
        record.whole = False  # nothing was written: the writer's own tip is what it was
        record.now_s += 20.0
        found = await record.ask()
        assert (found.whole, found.faults) == (True, ("this was read 20 s ago; it is read again 10 s from now",))
        record.now_s += 10.0
        assert not (await record.ask()).whole
        assert (record.reads, [one.whole for one in told]) == (2, [True, False])
        assert all(one.faults == () for one in told)

    asyncio.run(story())


def test_the_record_on_the_disk_is_what_is_read(lab: Lab, tmp_path: Path) -> None:
    decided(lab)

    async def story() -> None:
        now_s = 0.0

        async def read() -> Verification:
            return verification(tmp_path / "state", tmp_path)

        check = RecordCheck(read, monotonic=lambda: now_s)
        assert (await check.answer(asked("verify")))["verification"].whole
        tip = lab.journal.hash
        with sqlite3.connect(tmp_path / "state" / "journal.sqlite") as database:
            database.execute("UPDATE events SET payload = replace(payload, 'TiB2', 'TiB3')")
        database.close()
        assert lab.journal.hash == tip
        now_s = HOLDS_S
        assert not (await check.answer(asked("verify")))["verification"].whole

    asyncio.run(story())


def test_who_is_asked_to_come_back_is_told_what_was_found_and_when() -> None:
    async def story() -> None:
        record = Reading(patience_s=0.001)
        record.gate = asyncio.Event()
        for _ in range(2):
            with pytest.raises(UserError, match="ask again in a minute"):
                await record.ask()
        record.gate.set()
        for _ in range(5):
            await asyncio.sleep(0)
        record.now_s += 300.0
        found = await record.ask()
        assert (record.reads, found.faults) == (1, ("this was read 300 s ago; it is read again 30 s from now",))
        record.now_s += 30.0
        assert (await record.ask()).faults == ()
        assert record.reads == 2
        await record.check.close()

    asyncio.run(story())


def test_a_reading_that_failed_after_its_asker_left_is_tried_again_for_the_next_one() -> None:
    async def story() -> None:
        record = Reading(patience_s=0.001)
        record.gate, record.fault = asyncio.Event(), UserError("the process died")
        with pytest.raises(UserError, match="ask again in a minute"):
            await record.ask()
        record.gate.set()
        for _ in range(5):
            await asyncio.sleep(0)
        record.fault = None
        assert (await record.ask()).whole
        assert record.reads == 2

    asyncio.run(story())


# ---- Pictures


def test_a_picture_of_the_record_is_given_and_no_other_file(lab: Lab, tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path / "artefacts")
    buffer = io.BytesIO()
    Image.new("L", (64, 48), 77).save(buffer, format="TIFF")
    known, unknown = store.put(buffer.getvalue(), "image/tiff"), store.put(b"the policy's weights")
    record = ev.ArtefactRecord(sha256=known, media_type="image/tiff", bytes=len(buffer.getvalue()))
    decided(lab)
    eid = next(e.experiment for e in lab.events if isinstance(e, ev.ExperimentQueued))
    read = ev.ImageRead(
        experiment=eid, attempt=0, image=record, accepted=True, reason="", pixel_size=0.1, next_pixel_size=None,
        grain_size=None, porosity=None, n_grains=3, overlay=None,
    )  # fmt: skip
    lab.journal.append([read], NOW)
    pictures = Pictures(store, tmp_path / "state")

    async def story() -> None:
        first = (await pictures.answer(asked("picture", sha256=known, edge=32)))["picture"]
        assert (first.sha256, first.width, first.height) == (known, 64, 48)
        assert Image.open(io.BytesIO(first.thumbnail.picture)).size == (32, 24)
        store.path(known).unlink()
        assert (await pictures.answer(asked("picture", sha256=known, edge=32)))["picture"] is first
        for sha256, words in ((unknown, "knows no file"), ("ab" * 32, "knows no file")):
            with pytest.raises(LabwrightError, match=words):
                await pictures.answer(asked("picture", sha256=sha256))
        with pytest.raises(LabwrightError, match="missing"):
            await pictures.answer(asked("picture", sha256=known, edge=64))

    asyncio.run(story())


def test_entries_fit_the_profile(lab: Lab) -> None:
    decided(lab)
    assert all(entry_of(stored).to_bytes() for stored in lab.journal.scan())
