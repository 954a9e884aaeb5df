"""An edit before it is signed: what each factor may be, what is another, and what the models expect then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import best_of, costs_of, goals_of
from agent.dashboard.views.proposal_limits import Limit, kept_in, limits_of
from instruments.messages import Quantity

if TYPE_CHECKING:
    from agent.dashboard.live.picture import LabPicture
    from instruments.profile.agent_messages import Proposal
    from instruments.profile.questions import Preview

CRYSTAL, FORMULA = "crystal", "formula"
Level = float | str


@dataclass(frozen=True)
class Choice:
    """What one factor may be.

    Args:
        path: in the design.
        name: for people, with its unit.
        levels: each with what people read; empty where the laboratory does not tell them.
        now: the level that is proposed.
        unit: UCUM code.
    """

    path: str
    name: str
    levels: Mapping[Level, str]
    now: Level
    unit: str = "1"

    @property
    def is_free(self) -> bool:
        """Whether any number may be given: the levels are not told."""
        return not self.levels

    def shown(self, level: Level) -> str:
        """A level as people read it."""
        return self.levels.get(level) or _shown(level, self.unit)


@dataclass(frozen=True)
class Compared:
    """One thing that is known of a design, as proposed and after the edit.

    Args:
        name: for people.
        before: of the proposal.
        after: of the edit.
        tone: of what that means.
    """

    name: str
    before: str
    after: str
    tone: parts.Tone = ""

    @property
    def is_new(self) -> bool:
        """Whether it is another."""
        return self.before != self.after


@dataclass(frozen=True)
class Foreseen:
    """What the agent says to an edit.

    Args:
        refusals: why it could not be made so; empty where it could.
        before: what the models expect of the design as it is proposed.
        after: of the edit.
        rows: everything else, in pairs.
        dangers: of the edit.
        limits: that the edit is near, or beyond.
        notes: what could not be told.
    """

    refusals: tuple[str, ...]
    before: tuple[parts.Prediction, ...]
    after: tuple[parts.Prediction, ...]
    rows: tuple[Compared, ...]
    dangers: tuple[parts.Danger, ...]
    limits: tuple[Limit, ...]
    notes: tuple[str, ...]


def choices_of(proposal: Proposal, picture: LabPicture) -> tuple[Choice, ...]:
    """What each part of a proposal's design may be, in the order of the design."""
    campaign = picture.campaigns.get(proposal.campaign)
    space = campaign.space if campaign is not None else None
    factors = {factor.factor: factor for factor in space.factors} if space is not None else {}
    crystals = space.crystals if space is not None else {}
    found: list[Choice] = []
    names = words.titles(proposal.design)
    for path, value in proposal.design.items():
        if path == FORMULA and CRYSTAL in proposal.design:
            continue
        now: Level = value.value if isinstance(value, Quantity) else value
        unit = value.unit if isinstance(value, Quantity) else "1"
        if path == CRYSTAL:
            found.append(_crystal(now, crystals, proposal))
            continue
        factor = factors.get(path)
        levels = {level: _shown(level, factor.unit) for level in factor.levels} if factor is not None else {}
        if levels and now not in levels:
            levels = {now: _shown(now, unit), **levels}
        found.append(Choice(path, names[path], levels, now, unit))
    return tuple(found)


def _shown(level: Level, unit: str) -> str:
    return words.formula(level) if isinstance(level, str) else words.plain(level, unit)


def _crystal(now: Level, crystals: Mapping[str, str], proposal: Proposal) -> Choice:
    own = proposal.design.get(FORMULA)
    told = {str(now): own if isinstance(own, str) else str(now), **crystals}
    levels: dict[Level, str] = {
        crystal: f"{words.formula(formula)} ({crystal})"
        for crystal, formula in sorted(told.items(), key=lambda one: (one[1], one[0]))
    }
    return Choice(CRYSTAL, "Crystal", levels, now)


def changed(choices: tuple[Choice, ...], values: Mapping[str, Level | None]) -> dict[str, Level]:
    """What an edit changes: new values by path, without those that stay; numbers are numbers.

    Args:
        choices: of the design.
        values: what was chosen, by path; None where nothing is.
    """
    found: dict[str, Level] = {}
    for choice in choices:
        value = values.get(choice.path)
        if value is None or value == choice.now:
            continue
        found[choice.path] = float(value) if isinstance(choice.now, float | int) else value
    return found


def rows_of(choices: tuple[Choice, ...], changes: Mapping[str, Level]) -> tuple[tuple[str, str, str], ...]:
    """The difference for people: name, before, after."""
    return tuple(
        (choice.name, choice.shown(choice.now), choice.shown(changes[choice.path]))
        for choice in choices
        if choice.path in changes
    )


def design_after(
    proposal: Proposal, changes: Mapping[str, Level], preview: Preview | None, picture: LabPicture
) -> Mapping[str, Quantity | str]:
    """A design as an edit makes it, by its preview where there is one.

    Args:
        proposal: that is edited.
        changes: new levels by path.
        preview: of these changes; None where nobody predicted them.
        picture: the laboratory: it knows the formulas of crystals.
    """
    if preview is not None:
        return preview.design
    design: dict[str, Quantity | str] = {}
    for path, before in proposal.design.items():
        level = changes.get(path, before)
        unit = before.unit if isinstance(before, Quantity) else "1"
        design[path] = Quantity(value=level, unit=unit) if isinstance(level, float | int) else level
    if CRYSTAL in changes and FORMULA in design and FORMULA not in changes:
        campaign = picture.campaigns.get(proposal.campaign)
        crystals = campaign.space.crystals if campaign is not None and campaign.space is not None else {}
        design[FORMULA] = crystals.get(str(changes[CRYSTAL]), "that of the crystal")
    return design


def foreseen(proposal: Proposal, preview: Preview, picture: LabPicture) -> Foreseen:
    """What the agent says to an edit, beside what it said of the proposal."""
    goals, best = goals_of(picture, proposal.campaign), best_of(picture, proposal.campaign)
    return Foreseen(
        refusals=preview.refusals,
        before=parts.predictions_of(proposal.prediction, goals, best),
        after=parts.predictions_of(preview.prediction, goals, best),
        rows=_compared(proposal, preview),
        dangers=parts.dangers_of(preview.hazards),
        limits=tuple(limit for limit in limits_of(preview.checks) if limit.tone in {"bad", "warn"}),
        notes=preview.notes,
    )


def _compared(proposal: Proposal, preview: Preview) -> tuple[Compared, ...]:
    rows: list[Compared] = []
    made = _made_of(proposal.design), _made_of(preview.design)
    if made[0] != made[1]:
        rows.append(Compared("Made of", *made))
    if proposal.feasibility is not None or preview.feasibility is not None:
        rows.append(Compared("Can be made", _share(proposal.feasibility), _share(preview.feasibility)))
    before, after = parts.known_of(proposal.domain), parts.known_of(preview.domain)
    if before is not None or after is not None:
        rows.append(
            Compared(
                "Models",
                before.title if before is not None else words.NOTHING,
                after.title if after is not None else words.NOTHING,
                after.tone if after is not None else "",
            )
        )
    if proposal.checks or preview.checks:
        (_, kept), (tone, said) = kept_in(limits_of(proposal.checks)), kept_in(limits_of(preview.checks))
        rows.append(Compared("Limits", kept, said, tone))
    if proposal.duration is not None or preview.duration is not None:
        rows.append(Compared("Duration", _lasting(proposal.duration), _lasting(preview.duration)))
    old, new = dict(costs_of(proposal.cost)), dict(costs_of(preview.cost))
    rows += [
        Compared(f"Cost: {name}", old.get(name, words.NOTHING), new.get(name, words.NOTHING)) for name in {**old, **new}
    ]
    rows.append(
        Compared("Must approve", words.counted(proposal.quorum, "person", "people"),
                 words.counted(preview.quorum, "person", "people"))
    )  # fmt: skip
    return tuple(rows)


def _made_of(design: Mapping[str, Quantity | str]) -> str:
    crystal = words.crystal_of(design)
    return f"{words.formula_of(design)} ({crystal})" if crystal else words.formula_of(design)


def _share(value: float | None) -> str:
    return words.NOTHING if value is None else words.percent(value)


def _lasting(value: Quantity | None) -> str:
    return words.NOTHING if value is None else words.lasting(value)
