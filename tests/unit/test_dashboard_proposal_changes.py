"""What the pages of proposals show of changes: what is another, to the last digit, and what an edit comes to."""

from __future__ import annotations

from dashboard_samples import (
    NOW,
    sample_picture,
    sample_proposal,
    sample_revision,
    sample_space,
    waiting,
)

from agent.dashboard.door.visitor import Visitor
from agent.dashboard.live.picture import LabPicture
from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages import proposal_sections as sections
from agent.dashboard.views import proposal_edit as edit
from agent.dashboard.views import proposal_parts as parts
from agent.dashboard.views.proposal_card import ProposalCard, card_of
from agent.dashboard.views.proposal_limits import Limit, kept_in, limits_of
from agent.roles import Role
from instruments.messages import Quantity
from instruments.profile.agent_messages import Check, Estimate
from instruments.profile.questions import Preview

BEN = Visitor("ben", Role.APPROVER, "s")


def flat(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\u2212", "-")


def card(picture: LabPicture | None = None) -> ProposalCard:
    picture = picture or sample_picture()
    return card_of(picture.proposals["hard-P001"], picture, NOW, BEN)


def test_another_polymorph_is_a_change_and_is_told_by_its_id() -> None:
    picture = sample_picture()
    design = {**picture.proposals["hard-P001"].proposal.design, "formula": "C", "crystal": "mp-66"}
    edited = sample_revision(1, design=design, changes={"crystal": "mp-48"})
    picture.proposals["hard-P001"] = waiting(edited)
    one = card(picture=picture)
    assert one.changes == (("Crystal", "mp-48", "mp-66"),)
    assert "mp-66" in markup.card(one, "")
    assert "mp-66" in sections.summary(one)
    both = parts.differences({"crystal": "mp-8062", "formula": "SiC"}, {"crystal": "mp-66", "formula": "C"})
    assert both == (("Formula", "SiC", "C"),)


def test_names_without_a_prefix_as_the_agent_gives_them_are_read_the_same() -> None:
    picture = sample_picture()
    told, space = sample_revision(1), sample_space()

    def short(path: str) -> str:
        return path.rpartition(".")[2]

    plain = told.model_copy(
        update={
            "design": {short(path): value for path, value in told.design.items()},
            "changes": {short(path): value for path, value in told.changes.items()},
            "effects": tuple(one.model_copy(update={"factor": short(one.factor)}) for one in told.effects),
        }
    )
    factors = tuple(one.model_copy(update={"factor": short(one.factor)}) for one in space.factors)
    before = card(picture=LabPicture(**{**vars(picture), "proposals": {told.proposal: waiting(told)}}))
    levels = [choice.levels for choice in edit.choices_of(told, picture)]
    picture.campaigns["hard"].space = space.model_copy(update={"factors": factors})
    picture.proposals["hard-P001"] = waiting(plain)
    after = card(picture=picture)
    assert (after.formula, after.crystal, after.process) == (before.formula, before.crystal, before.process)
    assert after.changes == before.changes != ()
    seen, same = ([(one.name, one.here, one.index, one.best) for one in each.effects] for each in (after, before))
    assert seen == same
    assert [choice.levels for choice in edit.choices_of(plain, picture)] == levels


def test_a_change_is_told_to_the_last_digit() -> None:
    before, after = (Quantity(value=value, unit="Cel") for value in (1524.25, 1523.75))
    paths = ("temperature", "sinter.temperature", "anneal.temperature")
    ((name, was, now),) = parts.differences({paths[0]: before}, {paths[0]: after})
    assert (name, flat(was), flat(now)) == ("Temperature", "1524.25 °C", "1523.75 °C")
    told = [name for name, _, _ in parts.differences({}, dict.fromkeys(paths[1:], after))]
    assert told == ["Sinter temperature", "Anneal temperature"]
    check = Check(instrument="f", command="sinter", parameter="temperature", value=after, low=1523.25, high=1700.125)
    (limit,) = limits_of([check])
    assert (flat(limit.value), flat(limit.allowed)) == ("1523.75 °C", "1523.25 to 1700.125 °C")


def test_limits_are_kept_only_where_every_value_has_one() -> None:
    def of(value: float, high: float | None) -> Limit:
        amount = Quantity(value=value, unit="N")
        return limits_of([Check(instrument="i", command="c", parameter="p", value=amount, high=high)])[0]

    fine, none, near, beyond = of(1.0, 9.0), of(1.0, None), of(8.9, 9.0), of(9.5, 9.0)
    assert kept_in([fine, fine]) == ("good", "limits kept")
    assert kept_in([fine, none]) == ("", "limits kept, 1 of 2 values have none")
    assert kept_in([none]) == ("", "no limits told")
    assert kept_in([fine, near, none]) == ("warn", "1 value near a limit")
    assert kept_in([near, beyond, beyond]) == ("bad", "2 values beyond limits")


def test_an_edit_offers_the_levels_and_changes_what_was_chosen() -> None:
    picture = sample_picture()
    proposal = picture.proposals["hard-P001"].proposal
    choices = edit.choices_of(proposal, picture)
    assert [choice.path for choice in choices] == [path for path in proposal.design if path != "formula"]
    crystal, *_ = choices
    assert crystal.levels["mp-1145"] == "TiB₂ (mp-1145)"
    temperature = next(choice for choice in choices if choice.path == "process.temperature")
    assert flat(temperature.levels[1550.0]) == "1550 °C"

    values: dict[str, edit.Level | None] = {choice.path: choice.now for choice in choices}
    assert edit.changed(choices, values) == {}
    values |= {"process.temperature": 1750, "process.hold": None}
    changes = edit.changed(choices, values)
    assert changes == {"process.temperature": 1750.0}
    ((name, before, after),) = edit.rows_of(choices, changes)
    assert (name, flat(after)) == ("Temperature", "1750 °C")
    assert before == temperature.shown(temperature.now)


def test_without_the_space_a_number_may_be_any_and_what_is_proposed_is_always_there() -> None:
    picture = sample_picture()
    proposal = sample_proposal(1, design={"process.hold": Quantity(value=0.7, unit="h"), "formula": "HfB2"})
    hold, compound = edit.choices_of(proposal, picture)
    assert 0.7 in hold.levels
    assert (compound.path, compound.is_free) == ("formula", True)
    picture.campaigns.clear()
    assert edit.choices_of(proposal, picture)[0].is_free


def test_a_preview_stands_beside_what_was_proposed() -> None:
    picture = sample_picture()
    proposal = picture.proposals["hard-P001"].proposal
    preview = Preview(
        proposal=proposal.proposal, revision=1, design=proposal.design, refusals=("1950 Cel is above the limit",),
        prediction={"hardness": Estimate(value=33.0, unit="GPa", std=1.0)}, feasibility=0.5, quorum=2,
        cost={"furnace_hours": Quantity(value=9.0, unit="h")},
    )  # fmt: skip
    seen = edit.foreseen(proposal, preview, picture)
    rows = {row.name: row for row in seen.rows}
    assert (rows["Must approve"].before, rows["Must approve"].after) == ("1 person", "2 people")
    assert (flat(rows["Cost: furnace"].before), flat(rows["Cost: furnace"].after)) == ("5 h", "9 h")
    assert rows["Can be made"].is_new
    assert rows["Cost: runs"].after == "–"
    assert (flat(seen.before[0].text), flat(seen.after[0].text)) == (card().predictions[0].text.replace("\xa0", " "),
                                                                     "33.0 ± 1.0 GPa")  # fmt: skip
    assert seen.refusals == ("1950 Cel is above the limit",)
