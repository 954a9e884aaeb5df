"""Sample proposals, campaigns and the laboratory of ``dashboard_samples``."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.dashboard.live.picture import Waiting
from agent.identity import PublicKey
from instruments import messages as said
from instruments.messages import Quantity
from instruments.profile import agent_messages as told
from instruments.profile import campaign_messages as camp
from instruments.profile import laboratory as labs
from instruments.profile import model_messages as models

LAB, AGENT, CAMPAIGN = "hall-3", "agent-1", "hard"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""The laboratory's present in these messages."""
BOOT = "019e82aa-6c00-7000-8000-0000000000a1"
ROLES: Mapping[str, labs.RoleName] = {
    "anna": "approver", "ben": "approver", "clara": "safety", "ole": "operator", "vera": "viewer", "ada": "admin",
}  # fmt: skip
FACTORS: Mapping[str, tuple[str, tuple[float | str, ...]]] = {
    "process.powder_size": ("um", (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)),
    "process.additive": ("1", ("none", "MgO", "Y2O3", "B4C")),
    "process.temperature": ("Cel", tuple(float(t) for t in range(1200, 1901, 50))),
    "process.hold": ("h", (0.5, 1.0, 2.0, 4.0, 8.0)),
    "process.heating_rate": ("K/min", (2.0, 5.0, 10.0, 20.0)),
    "process.pressure": ("MPa", (0.0, 20.0, 40.0, 60.0)),
}
"""Units and levels of the process's factors."""


def _hexagonal(a: float, c: float, sites: Sequence[tuple[str, float, float, float]], group: str) -> models.Structure:
    lattice = ((a, 0.0, 0.0), (-a / 2, a * math.sqrt(3) / 2, 0.0), (0.0, 0.0, c))
    return models.Structure(lattice=lattice, sites=_sites(sites), space_group=group)


def _cubic(a: float, sites: Sequence[tuple[str, float, float, float]], group: str) -> models.Structure:
    lattice = ((a, 0.0, 0.0), (0.0, a, 0.0), (0.0, 0.0, a))
    return models.Structure(lattice=lattice, sites=_sites(sites), space_group=group)


def _sites(sites: Sequence[tuple[str, float, float, float]]) -> tuple[models.Site, ...]:
    return tuple(models.Site(element=element, at=(x, y, z)) for element, x, y, z in sites)


_FCC = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))


def _pair(cation: str, anion: str, shift: float) -> list[tuple[str, float, float, float]]:
    cations = [(cation, *at) for at in _FCC]
    return cations + [(anion, (x + shift) % 1, (y + shift) % 1, (z + shift) % 1) for x, y, z in _FCC]


_B_SHEET = (("B", 1 / 3, 2 / 3, 0.5), ("B", 2 / 3, 1 / 3, 0.5))
CERAMICS: Mapping[str, tuple[str, models.Structure]] = {
    "mp-1145": ("TiB2", _hexagonal(3.029, 3.228, (("Ti", 0.0, 0.0, 0.0), *_B_SHEET), "P6/mmm")),
    "mp-8062": ("SiC", _cubic(4.359, _pair("Si", "C", 0.25), "F-43m")),
    "mp-1472": ("ZrB2", _hexagonal(3.169, 3.530, (("Zr", 0.0, 0.0, 0.0), *_B_SHEET), "P6/mmm")),
    "mp-631": ("TiC", _cubic(4.328, _pair("Ti", "C", 0.5), "Fm-3m")),
    "mp-1894": ("WC", _hexagonal(2.906, 2.837, (("W", 0.0, 0.0, 0.0), ("C", 1 / 3, 2 / 3, 0.5)), "P-6m2")),
    "mp-1265": ("MgO", _cubic(4.212, _pair("Mg", "O", 0.5), "Fm-3m")),
}
"""Formula and conventional cell of each crystal, with its measured lattice constants in Å."""
_HARDNESS = {"TiB2": 30.0, "SiC": 27.5, "ZrB2": 22.0, "TiC": 28.0, "WC": 24.0, "MgO": 9.0}


def sample_design(i: int = 1) -> dict[str, Quantity | str]:
    """What is to be made: another ceramic for every number."""
    crystal = list(CERAMICS)[i % len(CERAMICS)]
    process: dict[str, Quantity | str] = {}
    for n, (path, (unit, levels)) in enumerate(FACTORS.items()):
        level = levels[(i * (2 * n + 3) + n + i // 3) % len(levels)]
        process[path] = level if isinstance(level, str) else Quantity(value=level, unit=unit)
    return {"crystal": crystal, "formula": CERAMICS[crystal][0], **process}


def sample_effects(middle: float = 28.0) -> tuple[models.FactorEffect, ...]:
    """What each factor does to the hardness, GPa."""
    shares = (0.22, 0.08, 0.41, 0.12, 0.03, 0.14)
    return tuple(
        models.FactorEffect(factor=path, unit=unit, share=share, points=_points(levels, middle, share))
        for (path, (unit, levels)), share in zip(FACTORS.items(), shares, strict=True)
    )


def _points(levels: Sequence[float | str], middle: float, share: float) -> tuple[models.EffectPoint, ...]:
    points = []
    for n, level in enumerate(levels):
        value = middle + 8 * share * math.sin(3 * n / len(levels))
        points.append(models.EffectPoint(at=level, value=value, low=value - 1.6, high=value + 1.6))
    return tuple(points)


def _checks(design: Mapping[str, Quantity | str]) -> tuple[told.Check, ...]:
    bounds = {"temperature": (900.0, 1900.0), "hold": (0.0, 12.0), "heating_rate": (1.0, 20.0), "pressure": (0.0, 60.0),
              "powder_size": (0.05, 10.0)}  # fmt: skip
    furnace = [
        told.Check(instrument="furnace-1", command="sinter", parameter=path[8:], value=value,
                   low=bounds.get(path[8:], (None, None))[0], high=bounds.get(path[8:], (None, None))[1])
        for path, value in design.items() if path.startswith("process.")
    ]  # fmt: skip
    load = told.Check(
        instrument="indenter-1", command="indent", parameter="load", value=Quantity(value=9.8, unit="N"), high=50.0
    )
    return (*furnace, load)


def sample_proposal(i: int = 1, **changes: Any) -> told.Proposal:
    """A design that waits for people: complete, and valid with any fields replaced."""
    design = changes.get("design") or sample_design(i)
    value = _HARDNESS.get(str(design.get("formula", "")), 20.0) + i % 3 - 1.0
    hours = 4.0 + i % 5
    fields: dict[str, Any] = {
        "lab": LAB,
        "proposal": f"{CAMPAIGN}-P{i:03d}",
        "campaign": CAMPAIGN,
        "created_at": NOW - timedelta(minutes=7 * i),
        "expires_at": NOW + timedelta(hours=2, minutes=10 + 13 * i),
        "design": design,
        "prediction": {"hardness": told.Estimate(value=value, unit="GPa", std=1.4, low=value - 2.4, high=value + 2.2)},
        "feasibility": 0.6 + 0.35 * (i % 4) / 3,
        "acquisition": told.Acquisition(function="log_expected_improvement", value=-1.2 - 0.3 * (i % 5)),
        "proposed_by": told.Proposer(policy="hybrid", pool=("ppo", "bo", "random")[i % 3]),
        "rationale": "Expected to be harder than the best sample so far with a chance of one in three: the hold "
        "temperature is higher than in hard-E004, and the finer powder sinters denser.",
        "cost": {"furnace_hours": Quantity(value=hours, unit="h"), "runs": Quantity(value=1.0, unit="1")},
        "nearest": told.NearestSample(
            experiment=f"{CAMPAIGN}-E004",
            distance=0.18,
            found={"hardness": Quantity(value=value - 1.1, unit="GPa", std=0.6)},
        ),
        "hazards": (
            told.Hazard(code="hot", severity="warning", text="The felt glows for hours: do not open before 200 Cel."),
        ),
        "model_version": "alignn-3+gp-12",
        "recipe_hash": hashlib.sha256(f"recipe {i}".encode()).hexdigest(),
        "limits_version": "2026-05-28",
        "structure": CERAMICS[str(design["crystal"])][1] if design.get("crystal") in CERAMICS else None,
        "duration": Quantity(value=hours + 1.6, unit="h"),
        "effects": sample_effects(value),
        "domain": models.Domain(
            verdict=("inside", "edge", "outside")[i % 3],
            score=(0.31, 0.82, 1.27)[i % 3],
            text="by the distance to the nearest of 11 measured designs",
        ),
        "checks": _checks(design),
    }
    return told.Proposal(**{**fields, **changes})


def sample_revision(i: int = 1, **changes: Any) -> told.Proposal:
    """A proposal after a person's edit: hotter, for longer, and to be approved by two others."""
    before = sample_design(i)
    new: dict[str, Quantity | str] = {
        "process.temperature": Quantity(value=1750.0, unit="Cel"),
        "process.hold": Quantity(value=3.0, unit="h"),
    }
    words = "anna edited it: temperature -> 1750 °C, hold -> 3 h: the last three were not dense."
    return sample_proposal(
        i, **{"revision": 2, "design": {**before, **new}, "quorum": 2, "edited_by": "anna", "rationale": words,
              "changes": {path: before[path] for path in new}, **changes},
    )  # fmt: skip


def waiting(proposal: told.Proposal) -> Waiting:
    """The proposal as it is held after it came."""
    return Waiting(proposal, proposal.published)


def sample_outcome(i: int = 1, verdict: str = "approved", **changes: Any) -> told.Outcome:
    """What became of a proposal."""
    proposal = sample_proposal(i)
    fields: dict[str, Any] = {
        "lab": LAB, "proposal": proposal.proposal, "revision": 1, "digest": proposal.published.digest,
        "verdict": verdict, "by": () if verdict in {"expired", "withdrawn"} else ("anna",),
        "ts": NOW - timedelta(hours=3 * i), "audit": "c4" * 32, "reason": "good margin to the melting point",
        "experiment": f"{CAMPAIGN}-E{i:03d}" if verdict == "approved" else None,
    }  # fmt: skip
    return told.Outcome(**{**fields, **changes})


def sample_campaign(cid: str = CAMPAIGN, **changes: Any) -> camp.CampaignState:
    """Where a campaign stands."""
    best = camp.Best(
        experiment=f"{cid}-E006", design=sample_design(6),
        found={"hardness": Quantity(value=31.2, unit="GPa", std=0.6)},
    )  # fmt: skip
    fields: dict[str, Any] = {
        "campaign": cid, "boot_id": BOOT, "seq": 120, "ts": NOW, "phase": "running",
        "goal": "maximise hardness in GPa",
        "budget": {
            "experiments": camp.BudgetLine(used=12, limit=60),
            "furnace_hours": camp.BudgetLine(used=71.5, limit=900, unit="h"),
        },
        "best": best,
        "counts": camp.Counts(proposed=3, approved=12, rejected=2, edited=1, expired=1, queued=1, running=1,
                              completed=9, failed=1),
        "votes": {f"{cid}-P002": ("anna",)},
    }  # fmt: skip
    return camp.CampaignState(**{**fields, **changes})


def sample_space(cid: str = CAMPAIGN, **changes: Any) -> models.CampaignSpace:
    """What a campaign chooses from."""
    fields: dict[str, Any] = {
        "campaign": cid, "boot_id": BOOT, "seq": 2, "ts": NOW - timedelta(days=4), "name": "flagship",
        "version": "9e" * 32, "goals": (models.Goal(property="hardness", unit="GPa"),),
        "factors": tuple(
            models.FactorChoices(factor=path, unit=unit, levels=levels) for path, (unit, levels) in FACTORS.items()
        ),
        "crystals": {crystal: formula for crystal, (formula, _) in CERAMICS.items()},
        "n_crystals": len(CERAMICS), "n_feasible": 43_200.0,
    }  # fmt: skip
    return models.CampaignSpace(**{**fields, **changes})


def sample_model(cid: str = CAMPAIGN, **changes: Any) -> models.CampaignModel:
    """What the models have learned."""
    fields: dict[str, Any] = {
        "campaign": cid, "boot_id": BOOT, "seq": 90, "ts": NOW - timedelta(hours=1), "round": 3,
        "model_version": "alignn-3+gp-12", "observed": 10, "effects": sample_effects(),
        "candidates": {"ppo": 412, "bo": 256, "random": 200},
    }  # fmt: skip
    return models.CampaignModel(**{**fields, **changes})


def sample_laboratory(**changes: Any) -> labs.Laboratory:
    """The laboratory as a whole: six people, nothing stopped."""
    fields: dict[str, Any] = {
        "lab": LAB, "agent": AGENT, "boot_id": BOOT, "seq": 7, "ts": NOW, "wall": NOW, "mode": "virtual",
        "software": "labwright 0.9.0", "speed": 600.0,
        "people": tuple(_person(name, role) for name, role in ROLES.items()),
        "limits_version": "2026-05-28",
        "limits": {
            "furnace-1": labs.InstrumentLimits(
                commands=("sinter",),
                limits=(
                    labs.LimitLine(command="sinter", parameter="temperature", low=900, high=1900, unit="Cel"),
                    labs.LimitLine(command="sinter", parameter="pressure", low=0, high=60, unit="MPa"),
                    labs.LimitLine(command="sinter", text="above 1600 Cel: heated by at most 10 K/min"),
                ),
            ),
            "indenter-1": labs.InstrumentLimits(
                commands=("indent",), limits=(labs.LimitLine(command="indent", parameter="load", high=50, unit="N"),)
            ),
        },
        "record": labs.RecordState(entries=1834, tip="5b" * 32, verified_to=1830,
                                   verified_at=NOW - timedelta(minutes=30), whole=True),
        "decided_by": ("policy:well-known",),
    }  # fmt: skip
    return labs.Laboratory(**{**fields, **changes})


def _person(name: str, role: labs.RoleName) -> labs.PersonEntry:
    x = base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=")
    return labs.PersonEntry(name=name, role=role, kid=PublicKey(x=x).kid, x=x)


def sample_events(n: int = 8) -> deque[told.AgentEvent]:
    """What happened lately, the newest last."""
    words: tuple[tuple[str, Any, str, tuple[Any, str]], ...] = (
        ("experiment.queued", "info", "hard-E010 is queued, from hard-P010", ("experiment", "hard-E010")),
        ("step.dispatched", "info", "hard-E010: sinter ordered from furnace-1", ("experiment", "hard-E010")),
        ("image.read", "warning", "hard-E009: image refused, too few grains", ("experiment", "hard-E009")),
        ("experiment.ended", "info", "hard-E009 completed: hardness 29.4 ± 0.6 (TiC)", ("experiment", "hard-E009")),
        ("proposal.made", "info", "hard-P002 waits for a decision: ZrB2", ("proposal", "hard-P002")),
        ("vote.cast", "info", "anna approved hard-P002; more have to", ("proposal", "hard-P002")),
    )
    events = []
    for i in range(n):
        kind, level, text, about = words[i % len(words)]
        events.append(told.AgentEvent(
            boot_id=BOOT, seq=i, ts=NOW - timedelta(minutes=11 * (n - i)), kind=kind, level=level, text=text,
            reference=told.Reference(kind=about[0], id=about[1]),
        ))  # fmt: skip
    return deque(events, maxlen=1000)


def sample_status(state: said.Presence = "online", **changes: Any) -> said.Status:
    """A presence."""
    return said.Status(**{"state": state, "boot_id": BOOT, "seq": 400, "ts": NOW, **changes})
