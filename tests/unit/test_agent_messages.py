"""What agents tell: it survives its own bytes, stays bounded, and says what people need to decide."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from test_instruments_messages import NOW, digests, names, numbers, positive, quantities, seqs, times, units
from typer.testing import CliRunner

from agent.approvals import ProposalContext, verify_decision
from agent.cli_people import people_app
from agent.identity import People
from envs.errors import InstrumentError
from instruments.messages import MalformedMessageError, Payload, Quantity
from instruments.profile.agent_messages import (
    MAX_PROPERTIES,
    THUMBNAIL_LIMIT,
    Acquisition,
    AgentEvent,
    Estimate,
    Hazard,
    NearestSample,
    Outcome,
    Proposal,
    Proposer,
    Reference,
    Thumbnail,
)
from instruments.profile.campaign_messages import Best, BudgetLine, CampaignState, Counts
from instruments.profile.decisions import Decision, PublishedProposal, proposal_digest
from instruments.profile.examples import EXAMPLES
from instruments.profile.requests import FORMS, Request

lines = st.text(st.characters(codec="utf-8"), max_size=40)
paths = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,20}", fullmatch=True)
people = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.\-]{0,20}[A-Za-z0-9])?", fullmatch=True)
versions = st.from_regex(r"[!-~]{1,20}", fullmatch=True)
shares = st.floats(min_value=0, max_value=1)
found = st.dictionaries(names, quantities, max_size=2)
designs = st.dictionaries(paths, quantities | lines, min_size=1, max_size=3)
thumbnails = st.builds(
    Thumbnail.of, st.binary(min_size=1, max_size=30), st.sampled_from(["image/png", "image/jpeg", "image/webp"])
)
campaigns = st.builds(
    CampaignState,
    campaign=names,
    boot_id=names,
    seq=seqs,
    ts=times,
    phase=st.sampled_from(["draft", "running", "paused", "stopping", "completed", "stopped"]),
    reason=lines,
    goal=lines,
    budget=st.dictionaries(
        names, st.builds(BudgetLine, used=positive, limit=st.none() | positive, unit=units), max_size=2
    ),
    best=st.none() | st.builds(Best, experiment=names, design=designs, found=found, thumbnail=st.none() | thumbnails),
    counts=st.builds(Counts, proposed=st.integers(0, 99), failed=st.integers(0, 99)),
    votes=st.dictionaries(names, st.lists(people, min_size=1, max_size=3).map(tuple), max_size=2),
)
figures = st.floats(-1e30, 1e30)
"""What people may say that a value is."""
estimates = st.builds(
    Estimate, value=numbers, unit=units, std=positive, low=st.none() | numbers, high=st.none() | numbers
)
nearest = st.builds(
    NearestSample, experiment=names, distance=st.none() | positive, found=found, thumbnail=st.none() | thumbnails
)
hazards = st.builds(Hazard, code=names, severity=st.sampled_from(["note", "warning", "danger"]), text=lines)


@st.composite
def _proposals(draw: st.DrawFn) -> Proposal:
    made = draw(st.datetimes(max_value=datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    return Proposal(
        lab=draw(names),
        proposal=draw(names),
        campaign=draw(names),
        revision=draw(st.integers(1, 99)),
        created_at=made,
        expires_at=made + draw(st.timedeltas(timedelta(seconds=1), timedelta(days=99))),
        quorum=draw(st.integers(1, 9)),
        design=draw(designs),
        prediction=draw(st.dictionaries(names, estimates, max_size=2)),
        feasibility=draw(st.none() | shares),
        acquisition=draw(st.none() | st.builds(Acquisition, function=names, value=numbers)),
        proposed_by=draw(st.builds(Proposer, policy=names, pool=names)),
        rationale=draw(lines),
        cost=draw(found),
        nearest=draw(st.none() | nearest),
        hazards=tuple(draw(st.lists(hazards, max_size=2))),
        model_version=draw(versions),
        recipe_hash=draw(digests),
        limits_version=draw(versions),
    )


proposals = _proposals()
outcomes = st.builds(
    Outcome,
    lab=names,
    proposal=names,
    revision=st.integers(1, 99),
    digest=digests,
    verdict=st.sampled_from(["approved", "rejected", "edited", "expired", "withdrawn"]),
    by=st.lists(people | people.map("policy:{}".format), min_size=1, max_size=3).map(tuple),
    ts=times,
    audit=digests,
    reason=lines,
    experiment=st.none() | names,
)
events = st.builds(
    AgentEvent,
    boot_id=names,
    seq=seqs,
    ts=times,
    kind=names,
    level=st.sampled_from(["info", "warning", "error"]),
    text=lines,
    reference=st.none()
    | st.builds(Reference, kind=st.sampled_from(["campaign", "job", "decision", "request"]), id=names),
    thumbnail=st.none() | thumbnails,
)
decisions = st.builds(
    Decision,
    lab=names,
    proposal=names,
    revision=st.integers(1, 99),
    digest=digests,
    verdict=st.just("edit"),
    changes=st.dictionaries(paths, st.booleans() | st.integers(-9, 9) | figures | lines, min_size=1, max_size=3),
    nonce=st.from_regex(r"[A-Za-z0-9_\-]{22,64}", fullmatch=True),
    time=times,
    comment=lines,
    user=people,
)
properties = paths.filter(lambda name: not name.endswith("_std"))
SAID: dict[str, st.SearchStrategy[Any]] = {
    "reconcile": st.fixed_dictionaries({"verdict": st.sampled_from(["again", "aborted"])}),
    "amend": st.dictionaries(properties, figures, min_size=1, max_size=3),
    "move": st.fixed_dictionaries({"place": st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)}),
    "maintenance": st.fixed_dictionaries({"on": st.booleans()}),
}


@st.composite
def asked(draw: st.DrawFn) -> Request:
    action = draw(st.sampled_from(sorted(FORMS)))
    arguments = draw(SAID.get(action, st.just({})))
    if action == "amend" and draw(st.booleans()):
        arguments[f"{min(arguments)}_std"] = draw(st.floats(0, 9))
    return Request(
        lab=draw(names),
        action=action,
        subject=draw(names) if FORMS[action].subject else "",
        arguments=arguments,
        nonce=draw(st.from_regex(r"[A-Za-z0-9_\-]{22,64}", fullmatch=True)),
        time=draw(times),
        comment=draw(lines) + ("why" if FORMS[action].changes_record else ""),
        user=draw(people),
    )


requests = asked()
told = st.one_of(campaigns, proposals, outcomes, events)
PROPOSAL = Proposal.parse(EXAMPLES["Proposal"].to_bytes())


@given(told)
def test_what_is_told_survives_its_own_bytes(message: Payload) -> None:
    assert type(message).parse(message.to_bytes()) == message


@given(told)
def test_readers_ignore_what_newer_versions_add(message: Payload) -> None:
    newer = json.loads(message.to_bytes()) | {"added_later": {"x": [1]}}
    assert type(message).parse(json.dumps(newer).encode()) == message


def test_what_the_agent_publishes_is_what_labwright_sign_takes(tmp_path: Path) -> None:
    open_long = PROPOSAL.model_copy(update={"expires_at": datetime(2999, 1, 1, tzinfo=UTC)})
    (tmp_path / "published.json").write_bytes(open_long.to_bytes())
    published = PublishedProposal.parse((tmp_path / "published.json").read_bytes())
    people = ["--dir", str(tmp_path / "identities")]
    environment = {"LABWRIGHT_PASSWORD": "correct horse"}
    CliRunner().invoke(people_app, ["identity", "new", "anna", "--role", "approver", *people], env=environment)
    arguments = ["sign", str(tmp_path / "published.json"), "--as", "anna", "--verdict", "edit"]
    result = CliRunner().invoke(
        people_app, [*arguments, "--change", "temperature=1500", *people], env=environment, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    verdict = verify_decision(
        result.stdout.strip(),
        registry=People.from_directory(tmp_path / "identities"),
        lab="demo",
        user="anna",
        proposal=ProposalContext(published),
        now=datetime.now(UTC),
        seen_nonces=frozenset(),
    )
    assert verdict.accepted, verdict.message
    assert verdict.decision is not None
    assert verdict.decision.digest == open_long.published.digest


@given(proposals)
def test_a_published_proposal_is_what_people_sign(proposal: Proposal) -> None:
    """The digest is of the bytes on the broker, whoever reads them and in whatever order their JSON library keeps."""
    published = PublishedProposal.parse(proposal.to_bytes())
    assert published == proposal.published
    assert (published.lab, published.proposal, published.revision) == (
        proposal.lab,
        proposal.proposal,
        proposal.revision,
    )
    assert (published.expires_at, published.quorum) == (proposal.expires_at, proposal.quorum)
    body = json.loads(proposal.to_bytes())
    assert published.digest == proposal_digest(dict(reversed(body.items())))


def test_a_digest_covers_fields_that_this_version_does_not_know() -> None:
    body = json.loads(PROPOSAL.to_bytes())
    assert PublishedProposal.of(body | {"added_later": 1}).digest != PROPOSAL.published.digest


def _changed(**changes: Any) -> dict[str, Any]:
    return {**PROPOSAL.model_dump(), **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expires_at": NOW - timedelta(days=9)}, "later than created_at"),
        ({"quorum": 0}, "quorum"),
        ({"revision": 0}, "revision"),
        ({"revision": True}, "revision"),
        ({"design": {}}, "design"),
        ({"design": {"a b": "x"}}, "design"),
        ({"design": {"x": "y" * 201}}, "design"),
        ({"design": {f"x{i}": "y" for i in range(MAX_PROPERTIES + 1)}}, "design"),
        ({"design": {"x": float("nan")}}, "design"),
        ({"prediction": {"hardness": Quantity(value=1, unit="GPa").model_dump(exclude_none=True)}}, "std"),
        ({"prediction": {"hardness": {"value": float("inf"), "unit": "GPa", "std": 1}}}, "value"),
        ({"feasibility": 1.2}, "feasibility"),
        ({"rationale": "x" * 2001}, "rationale"),
        ({"hazards": [{"code": "H301", "text": "toxic"}] * 33}, "hazards"),
        ({"recipe_hash": "abc"}, "recipe_hash"),
        ({"model_version": ""}, "model_version"),
        ({"priority": 1}, "priority"),
    ],
)
def test_a_proposal_that_people_could_not_judge_is_not_published(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Proposal.model_validate(_changed(**changes))


@pytest.mark.parametrize("verdict", ["approved", "rejected", "edited"])
def test_an_outcome_names_who_decided(verdict: str) -> None:
    fields = EXAMPLES["Outcome"].model_dump() | {"verdict": verdict, "by": ()}
    with pytest.raises(ValidationError, match="names who decided"):
        Outcome.model_validate(fields)
    assert Outcome.model_validate(fields | {"by": ["policy:auto-approve"]}).by == ("policy:auto-approve",)
    assert Outcome.model_validate(fields | {"verdict": "expired"}).by == ()


@pytest.mark.parametrize("size", [1, 2, 3, THUMBNAIL_LIMIT - 1, THUMBNAIL_LIMIT])
def test_a_thumbnail_travels_whole_up_to_its_limit(size: int) -> None:
    picture = bytes(index % 251 for index in range(size))
    event = AgentEvent(
        boot_id="b", seq=0, ts=NOW, kind="image.read", text="", thumbnail=Thumbnail.of(picture, "image/webp")
    )
    again = AgentEvent.parse(event.to_bytes())
    assert again.thumbnail is not None
    assert again.thumbnail.picture == picture


@pytest.mark.parametrize("size", [0, THUMBNAIL_LIMIT + 1, 4 * THUMBNAIL_LIMIT])
def test_an_empty_or_too_large_picture_is_refused(size: int) -> None:
    with pytest.raises(InstrumentError, match=rf"1 to {THUMBNAIL_LIMIT} bytes, not {size}"):
        Thumbnail.of(bytes(size), "image/png")


# One character more than the limit's base64, the limit's length with one byte more inside, and what is no base64.
@pytest.mark.parametrize("data", ["A" * 174768, "A" * 174764, "A" * 174763, "", "AAA", "A===", "AA A", "QQ=Q", "é==="])
def test_a_thumbnail_that_is_none_is_not_read(data: str) -> None:
    with pytest.raises(MalformedMessageError, match="not a valid Thumbnail"):
        Thumbnail.parse(json.dumps({"media_type": "image/png", "data": data}).encode())


def test_only_pictures_are_thumbnails() -> None:
    with pytest.raises(ValidationError, match="media_type"):
        Thumbnail.of(b"<svg/>", "image/svg+xml")  # type: ignore[arg-type]


def test_every_message_of_the_bus_fits_a_broker_with_small_limits() -> None:
    """The largest proposal that the model allows, without pictures, stays below 256 KiB."""
    wide = {f"x{'y' * 60}{i:02}": {"value": -1.2345678901234567e-300, "unit": "u" * 32} for i in range(MAX_PROPERTIES)}
    fields = _changed(
        design=wide,
        prediction={name: {**value, "std": 1e300, "low": -1e300, "high": 1e300} for name, value in wide.items()},
        cost=wide,
        rationale="ü" * 2000,
        hazards=[{"code": "H" * 64, "text": "ü" * 2000}] * 32,
    )
    assert len(Proposal.model_validate(fields).to_bytes()) < 256 * 1024
