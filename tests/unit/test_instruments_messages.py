"""Payloads: what we write is closed and finite, what we read is open; every message survives its own bytes."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from instruments.artefacts import ArtefactError, file_artefact, inline_artefact
from instruments.bulk.fetch import read as read_artefact
from instruments.messages import (
    ArtefactRef,
    Command,
    CommandDescription,
    Control,
    Description,
    JobError,
    JobState,
    MalformedMessageError,
    Payload,
    Quantity,
    Result,
    Status,
    Telemetry,
    digest_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0.0, allow_nan=False, allow_infinity=False)
names = st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True)
units = st.sampled_from(["Cel", "h", "um", "GPa", "1", "%", "kg.m-3", "K/min"])
times = st.datetimes(timezones=st.just(UTC))
words = st.text(max_size=40)
seqs = st.integers(min_value=0, max_value=2**53)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
quantities = st.builds(Quantity, value=numbers, unit=units, std=st.none() | positive)
values = quantities | words
refs = st.builds(
    ArtefactRef,
    uri=st.just("file:///data/image.tiff"),
    sha256=digests,
    bytes=st.integers(min_value=0),
    media_type=st.sampled_from(["image/tiff", "application/json"]),
)
results = st.builds(
    Result,
    values=st.dictionaries(names, values, max_size=4),
    artefacts=st.dictionaries(names, refs, max_size=2),
)
errors = st.builds(JobError, code=names, message=words, kind=st.sampled_from(["retryable", "infeasible", "other"]))
descriptions = st.builds(CommandDescription, summary=words, parameters=st.just({"type": "object"}))
payloads = st.one_of(
    quantities,
    refs,
    st.builds(Status, state=st.sampled_from(["online", "offline"]), boot_id=names, seq=seqs, ts=times, message=words),
    st.builds(Telemetry, ts=times, value=numbers, unit=units, seq=seqs),
    st.builds(
        Command,
        job=names,
        attempt=st.integers(min_value=1, max_value=99),
        command=names,
        parameters=st.dictionaries(names, values, max_size=4),
        issued_at=times,
        not_after=times,
        approval=words,
    ),
    st.builds(Description, iid=names, kind=names, boot_id=names, commands=st.dictionaries(names, descriptions)),
    st.builds(
        JobState,
        job=names,
        boot_id=names,
        seq=seqs,
        state=st.sampled_from(["accepted", "rejected", "running", "succeeded", "failed", "cancelled"]),
        digest=digests,
        ts=times,
        progress=st.none() | st.floats(min_value=0, max_value=1),
        eta=st.none() | times,
        result=results,
        error=errors,
        elapsed_s=positive,
    ),
    st.builds(Control, op=st.sampled_from(["cancel", "query"]), job=names),
    st.builds(Control, op=st.just("lease"), lease_s=st.floats(min_value=0.1, max_value=86_400)),
)


@given(payloads)
def test_every_message_survives_its_own_bytes(payload: Payload) -> None:
    assert type(payload).parse(payload.to_bytes()) == payload


@given(payloads)
def test_readers_ignore_what_newer_versions_add(payload: Payload) -> None:
    newer = json.loads(payload.to_bytes()) | {"added_later": [1, {"x": 2}]}
    assert type(payload).parse(json.dumps(newer).encode()) == payload


def test_readers_ignore_additions_inside_nested_messages() -> None:
    text = b'{"values": {"hardness": {"value": 20.5, "unit": "GPa", "method": "HV1"}}}'
    assert Result.parse(text).values == {"hardness": Quantity(value=20.5, unit="GPa")}


def test_writers_refuse_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="units"):
        Quantity(value=1.0, unit="h", units="h")  # type: ignore[call-arg]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    with pytest.raises(MalformedMessageError):
        Quantity.parse(f'{{"value": {number}, "unit": "h"}}'.encode())
    with pytest.raises(ValidationError):
        Quantity(value=float(number), unit="h")


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b'{"value": 1}', b'{"value": 1, "unit": "a b"}'])
def test_malformed_payloads_are_one_clear_error(payload: bytes) -> None:
    with pytest.raises(MalformedMessageError, match="not a valid Quantity"):
        Quantity.parse(payload)


def test_times_need_a_zone_and_travel_as_utc() -> None:
    with pytest.raises(ValidationError):
        Status(state="online", boot_id="b", seq=0, ts=datetime(2026, 3, 1, 12))  # noqa: DTZ001
    summer = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert b'"2026-03-01T12:00:00Z"' in Status(state="online", boot_id="b", seq=0, ts=summer).to_bytes()


def test_a_failure_must_say_why_and_a_success_what() -> None:
    with pytest.raises(ValidationError, match="error is missing"):
        JobState(job="j", boot_id="b", seq=1, state="failed", ts=NOW)
    with pytest.raises(ValidationError, match="result is missing"):
        JobState(job="j", boot_id="b", seq=1, state="succeeded", ts=NOW)


def test_control_needs_its_operand() -> None:
    with pytest.raises(ValidationError, match="query needs a job"):
        Control(op="query")
    with pytest.raises(ValidationError, match="lease needs lease_s"):
        Control(op="lease")


def test_digest_sees_what_is_ordered_and_nothing_else() -> None:
    hot, hotter = Quantity(value=1500, unit="Cel"), Quantity(value=1501, unit="Cel")
    one = digest_of("sinter", {"temperature": hot, "additive": "MgO"})
    assert one == digest_of("sinter", {"additive": "MgO", "temperature": hot})
    assert one != digest_of("sinter", {"temperature": hotter, "additive": "MgO"})
    assert one != digest_of("anneal", {"temperature": hot, "additive": "MgO"})


@given(st.dictionaries(names, values, max_size=4))
def test_digest_is_the_same_on_both_sides_of_the_wire(parameters: dict[str, Quantity | str]) -> None:
    order = Command(job="j", command="c", parameters=parameters, issued_at=NOW, not_after=NOW)
    assert Command.parse(order.to_bytes()).digest == order.digest == digest_of("c", parameters)


def test_artefacts_inline_and_by_file_are_verified(tmp_path: Path) -> None:
    path = tmp_path / "an image.tiff"
    path.write_bytes(b"II*\x00 pixels")
    ref = file_artefact(path, "image/tiff")
    assert read_artefact(ref) == b"II*\x00 pixels"
    assert read_artefact(inline_artefact(b"small", "text/plain")) == b"small"
    path.write_bytes(b"II*\x00 PIXELS")
    with pytest.raises(ArtefactError, match="not what was announced"):
        read_artefact(ref)


def test_artefacts_beyond_the_limit_or_reach_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot travel inline"):
        inline_artefact(bytes(64 * 1024 + 1), "image/tiff")
    assert len(read_artefact(inline_artefact(bytes(64 * 1024), "image/tiff"))) == 64 * 1024
    with pytest.raises(ArtefactError, match="cannot be read"):
        file_artefact(tmp_path / "missing", "image/tiff")
    far = ArtefactRef(uri="https://example.org/x", sha256="0" * 64, bytes=0, media_type="image/tiff")
    with pytest.raises(ArtefactError, match="origins"):
        read_artefact(far)
