"""What is published of a proposal and signed by people: built, edited, and bound.

``published`` writes the message, ``terms_of`` what an approval of it is bound to, ``apply_changes`` and ``revised``
make the next revision of a person's edit. All are pure: the same arguments give the same bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from agent.events.base import Reading
from agent.events.proposals import ForecastRecord, Terms
from agent.rules.budgets import cost_unit
from agent.rules.costs import Costs
from agent.rules.outlook import Outlook
from agent.rules.policy import Policy
from agent.rules.words import edit_words, foreseen, rationale
from envs.design import Design, FactorValue
from envs.errors import ConfigError, JournalError, UserError
from envs.factors import Factor, as_float
from envs.objective import Objective
from instruments.messages import Quantity
from instruments.profile.agent_messages import (
    MAX_PROPERTIES,
    Acquisition,
    Check,
    Estimate,
    Hazard,
    NearestSample,
    Proposal,
    Proposer,
)
from instruments.profile.decisions import PublishedProposal
from instruments.profile.legibility import faults_of

CRYSTAL, FORMULA, PROCESS = "crystal", "formula", "process."
ACQUISITION = "log_expected_improvement"
"""What the planner's acquisition value is: the logarithm of the expected improvement times the chance of success."""
Z90 = 1.6448536269514722
"""Half the width of a normal distribution's central 90%, in standard deviations."""
RATIONALE = 2000
"""Most characters of a rationale."""
UNITS = {"hardness": "GPa", "porosity": "1", "grain_size": "um"}
"""Units of what is measured, UCUM, where a campaign says nothing else."""
_NAME, _UNIT, _PATH = r"[A-Za-z0-9_.\-]{1,64}", r"[!-~]{1,32}", r"[A-Za-z_][A-Za-z0-9_]{0,55}"
_WORD = 200
"""Most characters of a word in a design."""
Changes = Mapping[str, bool | int | float | str]


def published(
    *, lab: str, campaign: str, proposal: str, design: Design, formula: str, factors: Sequence[Factor],
    objective: Objective, strategy: str, pool: str, now: datetime, expires_at: datetime, quorum: int, recipe_hash: str,
    limits_version: str, model_version: str, cost: Mapping[str, float], forecast: ForecastRecord | None = None,
    acquisition: float | None = None, nearest: NearestSample | None = None, hazards: Sequence[Hazard] = (),
    cost_units: Mapping[str, str] | None = None, outlook: Outlook | None = None, duration: float | None = None,
    checks: Sequence[Check] = (),
) -> Proposal:  # fmt: skip
    """The first revision of a proposal, as it is published.

    Args:
        lab: id of the laboratory.
        campaign: id of the campaign.
        proposal: its own id.
        design: what to make.
        formula: of the design's crystal, for people.
        factors: give the process's units.
        objective: what the forecast is of.
        strategy: that chose it.
        pool: source of candidates that it came from.
        now: lab time.
        expires_at: when it is too late to approve.
        quorum: how many must approve.
        recipe_hash: ``Recipe.digest`` of the design.
        limits_version: of the limits that it was checked against.
        model_version: of the models that predicted.
        cost: what it would spend, by name.
        forecast: what the models expect; None while nothing was measured.
        acquisition: its log acquisition value; None where none was used.
        nearest: the most alike sample, of ``nearest_sample``.
        hazards: what can hurt, of ``Hazards.of``.
        cost_units: UCUM codes by name of a cost; ``h`` of hours and 1 where it says nothing.
        outlook: gives structure, effects and domain.
        duration: hours from the first order to the last.
        checks: its orders against the limits, of ``checks_of``.

    Raises:
        UserError: something of it cannot be published, such as a factor whose name is no path.
    """
    with _publishable(proposal):
        return Proposal(
            lab=lab,
            proposal=proposal,
            campaign=campaign,
            created_at=now,
            expires_at=expires_at,
            quorum=quorum,
            design=design_of(design, formula, factors),
            prediction={objective.name: _estimate(forecast, objective)} if forecast else {},
            feasibility=_chance(forecast),
            acquisition=None if acquisition is None else Acquisition(function=ACQUISITION, value=acquisition),
            proposed_by=Proposer(policy=strategy, pool=pool),
            rationale=rationale(objective, forecast, pool, acquisition, nearest)[:RATIONALE],
            cost=_costs(cost, cost_units or {}),
            nearest=nearest,
            hazards=tuple(hazards),
            model_version=model_version,
            recipe_hash=recipe_hash,
            limits_version=limits_version,
            structure=outlook.structure if outlook else None,
            duration=_hours(duration),
            effects=outlook.effects if outlook else (),
            domain=outlook.domain if outlook else None,
            checks=tuple(checks),
        )


def terms_of(message: Proposal) -> Terms:
    """What an approval of a message is bound to: its bytes, and what the core needs of it."""
    body = message.to_bytes()
    plain = json.loads(body)
    return Terms(
        revision=message.revision,
        digest=PublishedProposal.parse(body).digest,
        body=body.decode(),
        created_at=plain["created_at"],
        expires_at=plain["expires_at"],
        quorum=message.quorum,
        recipe_hash=message.recipe_hash,
        limits_version=message.limits_version,
        cost={name: quantity.value for name, quantity in message.cost.items()},
    )


def revised(
    body: str,
    design: Design,
    changes: Changes,
    *,
    by: str,
    comment: str,
    now: datetime,
    factors: Sequence[Factor],
    crystals: Mapping[str, str],
    policy: Policy,
    costs: Callable[[Design], Mapping[str, float]],
    recipe_hash: str,
    limits_version: str,
    hazards: Callable[[Design], Sequence[Hazard]] | None = None,
    outlook: Outlook | None = None,
    checks: Sequence[Check] = (),
) -> Terms:
    """The terms of a person's edit: the next revision, with nothing in it that was said of the design before.

    It says who made it and what was there before. What the models expect of the new design is in it where somebody had
    asked them. The crystal's structure stays where the crystal does.

    Args:
        body: of the revision that was edited, as it was published.
        design: after the edit.
        changes: what the person changed.
        by: who.
        comment: why.
        now: lab time.
        factors: give the process's units.
        crystals: formulas by id.
        policy: gives the new expiry and quorum.
        costs: gives the new cost.
        recipe_hash: ``Recipe.digest`` of the new design.
        limits_version: of the limits that the new design was checked against.
        hazards: of a design; without it those of the revision before stay, and the rationale says so.
        outlook: what the models say of the new design; None where nobody asked.
        checks: the new design's orders against the limits, of ``checks_of``.

    Raises:
        JournalError: the body is no proposal.
        UserError: something of the new design cannot be published.
    """
    old = _parsed(body)
    with _publishable(old.proposal):
        described = design_of(design, crystals.get(design.crystal, str(old.design.get(FORMULA, ""))), factors)
        cost = costs(design)
        fields: dict[str, Any] = {
            **{name: getattr(old, name) for name in type(old).model_fields},
            "revision": old.revision + 1,
            "created_at": now,
            "expires_at": policy.expires_at(now),
            "quorum": policy.quorum(design, cost),
            "design": described,
            "acquisition": None,
            "cost": _costs(cost, {name: quantity.unit for name, quantity in old.cost.items()}),
            "duration": _hours(costs.duration(design) if isinstance(costs, Costs) else None),
            "hazards": old.hazards if hazards is None else tuple(hazards(design)),
            "recipe_hash": recipe_hash,
            "limits_version": limits_version,
            "checks": tuple(checks),
            "edited_by": by,
            "editor_may_approve": not policy.four_eyes_on_edits,
            "changes": {p: old.design[p] for p in old.design if old.design[p] != described.get(p)},
            **_said_anew(old, described, outlook or Outlook(model_version=old.model_version)),
        }
        words = _edit_rationale(old, described, changes, by, comment, outlook, no_hazards=hazards is None)
        return terms_of(Proposal(**{**fields, "rationale": words[:RATIONALE]}))


def _said_anew(old: Proposal, described: Mapping[str, Quantity | str], outlook: Outlook) -> dict[str, Any]:
    """What the models say of an edited design; what was said of the design before is gone."""
    forecast, objective = outlook.forecast, outlook.objective
    same_crystal = old.design.get(CRYSTAL) == described.get(CRYSTAL)
    return {
        "prediction": {objective.name: _estimate(forecast, objective)} if forecast else {},
        "feasibility": _chance(forecast),
        "nearest": _nearest(outlook),
        "model_version": outlook.model_version if forecast else old.model_version,
        "structure": outlook.structure or (old.structure if same_crystal else None),
        "effects": outlook.effects,
        "domain": outlook.domain,
    }


def _edit_rationale(
    old: Proposal, described: Mapping[str, Quantity | str], changes: Changes, by: str, comment: str,
    outlook: Outlook | None, *, no_hazards: bool,
) -> str:  # fmt: skip
    said = ""
    if outlook is not None and outlook.forecast is not None:
        said = foreseen(outlook.objective, outlook.forecast, _nearest(outlook))
    words = edit_words(by, old.design, described, changes, comment, said)
    if no_hazards and old.hazards:
        words += " The hazards are those that were found for the design before."
    return f"{words} Before the change it said: {old.rationale}" if old.rationale else words


def _nearest(outlook: Outlook) -> NearestSample | None:
    return nearest_sample(outlook.nearest, outlook.found, distance=outlook.distance)


def apply_changes(design: Design, changes: Changes, factors: Sequence[Factor], crystals: Mapping[str, str]) -> Design:
    """A design after a person's edit.

    Args:
        design: before.
        changes: new values by path: a factor's name, ``process.`` and the name, or ``crystal`` (its id, or its formula
            where only one crystal has it).
        factors: give what each may be.
        crystals: formulas by id.

    Raises:
        UserError: a path is unknown, a value is none of those that are allowed, or nothing changes.
    """
    known = {f.name: f for f in factors}
    crystal, process = design.crystal, dict(design.process)
    given: dict[str, str] = {}
    for path, value in changes.items():
        name = path.removeprefix(PROCESS) if path.removeprefix(PROCESS) in known else path
        if name in given:
            raise UserError(f"{given[name]} and {path} are the same: give one of them")
        given[name] = path
        if name in known:
            process[name] = _level(known[name], value)
        elif name == CRYSTAL and crystals:
            crystal = _crystal(value, crystals)
        else:
            paths = ", ".join([*([CRYSTAL] if crystals else []), *known])
            raise UserError(f"{path!r} is nothing that an edit can change; it can change {paths}")
    found = Design(crystal, process)
    if found == design:
        raise UserError("the edit changes nothing: approve the proposal, or give other values")
    return found


def nearest_sample(
    experiment: str,
    found: Mapping[str, Reading],
    units: Mapping[str, str] | None = None,
    distance: float | None = None,
) -> NearestSample | None:
    """The most alike sample with what was found there; None where there is no such experiment.

    Args:
        experiment: its id; empty for none.
        found: values and standard uncertainties by property.
        units: UCUM codes by property, over ``UNITS``.
        distance: as ``NearestSample.distance`` is.
    """
    if not experiment:
        return None
    named = {**UNITS, **(units or {})}
    values = {k: Quantity(value=v, unit=named.get(k, "1"), std=std) for k, (v, std) in found.items()}
    return NearestSample(experiment=experiment, distance=distance, found=values)


def design_of(design: Design, formula: str, factors: Sequence[Factor]) -> dict[str, Quantity | str]:
    """A design by its paths: quantities with their units, the crystal and its formula as words."""
    plain: dict[str, Quantity | str] = {CRYSTAL: design.crystal, FORMULA: formula} if design.crystal else {}
    units = {f.name: f.unit or "1" for f in factors}
    for name, value in design.process.items():
        path = f"{PROCESS}{name}" if name in {CRYSTAL, FORMULA} else name
        plain[path] = value if isinstance(value, str) else Quantity(value=value, unit=units[name])
    return plain


def check_names(factors: Sequence[Factor], objective: Objective, *, source: str = "") -> None:
    """Make sure, when a file is read, that proposals of a design space can be published.

    Raises:
        ConfigError: the name of a factor or of the objective, a unit or a word is none that a message may have.
    """
    if not re.fullmatch(_NAME, objective.name) or not re.fullmatch(_UNIT, objective.unit):
        allowed = "a name of at most 64 letters, digits and _ . - and a UCUM unit (1 for none)"
        raise ConfigError("objective", objective.to_dict(), allowed, source=source)
    for factor in factors:
        if not re.fullmatch(_PATH, factor.name):
            allowed = "names of at most 56 letters, digits and _ that begin with a letter: people edit them by name"
            raise ConfigError("space.factors.name", factor.name, allowed, source=source)
        if not re.fullmatch(_UNIT, factor.unit or "1"):
            raise ConfigError(
                f"space.factors.{factor.name}.unit", factor.unit, "a UCUM unit (1 for none)", source=source
            )
        if any(isinstance(level, str) and len(level) > _WORD for level in factor.levels):
            key = f"space.factors.{factor.name}.levels"
            raise ConfigError(key, factor.levels, f"words of at most {_WORD} characters", source=source)
    if len(factors) > MAX_PROPERTIES - 2:
        raise ConfigError("space.factors", len(factors), f"at most {MAX_PROPERTIES - 2} factors", source=source)


def _estimate(forecast: ForecastRecord, objective: Objective) -> Estimate:
    spread = max(forecast.high - forecast.low, 0.0) / (2.0 * Z90)
    return Estimate(
        value=forecast.median, unit=objective.unit, std=spread, low=forecast.low, high=forecast.high
    )  # fmt: skip


def _chance(forecast: ForecastRecord | None) -> float | None:
    return min(max(forecast.feasibility, 0.0), 1.0) if forecast else None


def _hours(duration: float | None) -> Quantity | None:
    return None if duration is None else Quantity(value=float(f"{duration:.6g}"), unit="h")


def _costs(cost: Mapping[str, float], units: Mapping[str, str]) -> dict[str, Quantity]:
    return {name: Quantity(value=value, unit=units.get(name, cost_unit(name))) for name, value in cost.items()}


@contextmanager
def _publishable(proposal: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise UserError(f"the proposal {proposal} cannot be published: {faults_of(error)}") from error


def _parsed(body: str) -> Proposal:
    try:
        return Proposal.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        raise JournalError(f"the record holds a proposal that is none: {faults_of(error)}") from error


def _level(factor: Factor, value: bool | float | str) -> FactorValue:
    if isinstance(value, bool) or isinstance(value, str) == factor.is_numeric:
        kind = f"a number in {factor.unit or '1'}" if factor.is_numeric else "a word"
        raise UserError(f"{factor.name} = {value!r} is not {kind}; allowed: {_levels(factor)}")
    for level in factor.levels:
        if isinstance(level, str) or isinstance(value, str):
            if level == value:
                return level
        elif math.isclose(level, as_float(value), rel_tol=1e-9, abs_tol=1e-12):
            return level
    raise UserError(f"{factor.name} = {value!r} is none of its levels; allowed: {_levels(factor)}")


def _levels(factor: Factor, most: int = 12) -> str:
    shown = [level if isinstance(level, str) else f"{level:.10g}" for level in factor.levels]
    if len(shown) > most:
        near = f"{', '.join(shown[:3])}, ... {shown[-1]} ({len(shown)} levels)"
        return f"{near} {factor.unit}".strip()
    return f"{', '.join(shown)} {factor.unit}".strip()


def _crystal(value: object, crystals: Mapping[str, str]) -> str:
    if isinstance(value, str) and value in crystals:
        return value
    named = [cid for cid, formula in crystals.items() if formula == value]
    if len(named) == 1:
        return named[0]
    if named:
        raise UserError(f"{len(named)} crystals are {value}: give the id of one of them: {', '.join(named[:12])}")
    some = ", ".join(f"{cid} ({formula})" for cid, formula in list(crystals.items())[:6])
    raise UserError(f"crystal = {value!r} is none of the {len(crystals)} crystals of the design space, such as {some}")
