"""All that the page of an experiment shows, out of what the broker says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.dashboard.live.picture import LabPicture
from agent.dashboard.views import words
from agent.dashboard.views.addresses import page_of
from agent.dashboard.views.campaign import goals_of
from agent.dashboard.views.experiment_list import standing
from agent.dashboard.views.experiment_result import Changed, ImageView, Measured, changes_of, images_of, measured_of
from agent.dashboard.views.experiment_steps import StepView, steps_of
from agent.words import in_print, who
from instruments.profile.experiment_messages import ExperimentState


@dataclass(frozen=True)
class Origin:
    """Where something of an experiment is from.

    Args:
        label: what.
        value: for people.
        page: address of it, below the mount; empty where it has none.
        exact: whether the value is an id or a hash, to be copied as it is.
    """

    label: str
    value: str
    page: str = ""
    exact: bool = False


@dataclass(frozen=True)
class ExperimentView:
    """One experiment, for its page.

    Args:
        id: of it; its sample bears the same.
        campaign: that it belongs to.
        formula: what is made.
        process: how: names and values.
        stands: its phase or outcome, for people.
        tone: how that looks.
        reason: why it ended so, or why it waits.
        facts: times and places: names and values.
        steps: of the recipe.
        measured: against what was expected.
        changes: what people changed, the newest first.
        images: the newest first.
        provenance: where it is from.
        going: whether it has not ended.
        needs_person: whether somebody must say what became of it.
        retracted: whether its result was taken back.
        has_result: whether there is anything to correct or to take back.
    """

    id: str
    campaign: str
    formula: str
    process: tuple[tuple[str, str], ...]
    stands: str
    tone: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    steps: tuple[StepView, ...]
    measured: tuple[Measured, ...]
    changes: tuple[Changed, ...]
    images: tuple[ImageView, ...]
    provenance: tuple[Origin, ...]
    going: bool
    needs_person: bool
    retracted: bool
    has_result: bool


def experiment_view(picture: LabPicture, eid: str, now: datetime, heard_now_s: float = 0.0) -> ExperimentView | None:
    """What the page of an experiment shows; None where no such experiment is known.

    Args:
        picture: what the broker says.
        eid: the experiment.
        now: the laboratory's present.
        heard_now_s: the present on the monotonic clock by which instruments are heard of, s.
    """
    one = picture.experiments.get(eid)
    if one is None:
        return None
    campaign = picture.campaigns.get(one.campaign)
    goals = goals_of(campaign, [one]) if campaign is not None else ()
    stands, tone = standing(one)
    return ExperimentView(
        id=eid,
        campaign=one.campaign,
        formula=words.formula_of(one.design),
        process=tuple((name, words.formula(value)) for name, value in words.process_of(one.design)),
        stands=stands,
        tone=tone,
        reason=in_print(one.reason),
        facts=_facts(one, now),
        steps=steps_of(picture, one, now, heard_now_s),
        measured=measured_of(one, [goal.property for goal in goals]),
        changes=changes_of(one),
        images=images_of(one),
        provenance=provenance_of(one, picture),
        going=one.phase != "ended",
        needs_person=one.phase == "needs_reconcile",
        retracted=one.retracted,
        has_result=one.phase == "ended" and one.outcome == "completed" and bool(one.found),
    )


def _facts(one: ExperimentState, now: datetime) -> tuple[tuple[str, str], ...]:
    took = ""
    if one.begun_at is not None and one.ended_at is not None:
        took = words.duration((one.ended_at - one.begun_at).total_seconds())
    facts = (
        ("Approved", words.moment(one.queued_at, now)),
        ("Begun", words.moment(one.begun_at, now) if one.begun_at is not None else ""),
        ("Ended", words.moment(one.ended_at, now) if one.ended_at is not None else ""),
        ("Took", took),
        ("Sample is at", one.place),
        (
            "Could be made",
            f"{words.percent(one.feasibility)} likely, as expected" if one.feasibility is not None else "",
        ),
    )
    return tuple((name, value) for name, value in facts if value)


def provenance_of(one: ExperimentState, picture: LabPicture) -> tuple[Origin, ...]:
    """Who and what led to an experiment's result: proposal, people, orders, files, the record.

    Args:
        one: the experiment.
        picture: what the broker says: what it knows of has a page.
    """
    found = [
        Origin("Proposal", f"{one.proposal}, revision {one.revision}", page_of(one.proposal, picture)),
        Origin("Approved by", who(",".join(one.approved_by)) or "not told"),
        Origin("Pool", f"{one.pool or 'not told'}, round {one.round + 1}"),
        Origin("Campaign", one.campaign, page_of(one.campaign, picture)),
    ]
    if one.model_version is not None:
        found.append(Origin("Models", one.model_version, exact=True))
    found += [
        Origin(f"Order: {words.label(step.step)}", f"{step.job} on {step.instrument}", exact=True)
        for step in one.steps
        if step.job
    ]
    for image in one.images:
        found.append(Origin(f"Image {image.attempt + 1}, SHA-256", image.image, exact=True))
        if image.overlay:
            found.append(Origin(f"Overlay {image.attempt + 1}, SHA-256", image.overlay, exact=True))
    if one.audit is not None:
        found.append(Origin("Record entry, SHA-256", one.audit, exact=True))
    return tuple(found)
