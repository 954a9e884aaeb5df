"""What a virtual laboratory has hidden, once a campaign has ended: plain values for the report, no way to the truth.

``agent.reveal`` makes it; nothing that decides knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rich.console import RenderableType
from rich.table import Table

from agent.progress import describe_process
from agent.words import chemical, plus_minus


@dataclass(frozen=True)
class Constant:
    """One constant that the laboratory's seed drew.

    Args:
        name: as the simulators call it.
        value: in the unit.
        words: what it is.
        unit: as people write it; empty for a number.
    """

    name: str
    value: float
    words: str
    unit: str = ""

    @property
    def told(self) -> str:
        """Its value with its unit."""
        return f"{self.value:.4g} {self.unit}".rstrip()


@dataclass(frozen=True)
class TrueExperiment:
    """One experiment as it was, beside what was seen of it.

    Args:
        id: of the experiment.
        formula: of its compound.
        body: relative density, grain size (um), shares of pores, phases and grains, cracks (1/mm), as ``Body`` names
            them; empty for a synthesis that left nothing to measure.
        hardness: true hardness of that body, GPa.
        outcome: what the furnace made of it; empty where nothing was made.
        origin: what its crystal's truth was taken from.
        measured: hardness (GPa), grain size (um) and porosity that were measured, each with its standard uncertainty.
        predicted: median and 5 and 95 % quantiles of the forecast hardness, GPa; None where there was no forecast.
    """

    id: str
    formula: str
    body: Mapping[str, float]
    hardness: float | None
    outcome: str
    origin: str
    measured: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    predicted: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class TrueBest:
    """The best feasible design of the space.

    Args:
        formula: of its compound.
        design: as ``Design.to_dict`` writes it.
        hardness: its true expected hardness, GPa.
        how: how it was found, in words.
    """

    formula: str
    design: Mapping[str, object]
    hardness: float
    how: str


@dataclass(frozen=True)
class Compound:
    """One compound that the campaign has made.

    Args:
        formula: of it.
        crystal: its identifier.
        intrinsic: true hardness of its dense single crystal, GPa.
        melting: true melting or decomposition temperature, K.
    """

    formula: str
    crystal: str
    intrinsic: float
    melting: float


@dataclass(frozen=True)
class Revelation:
    """All that is revealed.

    Args:
        constants: of the laboratory.
        compounds: that were made.
        experiments: in their order.
        best: of the whole space.
        regret: by how much the campaign's best design stays below it in truth, GPa; None where nothing was measured.
        random_regret: the same for the budget spent at random.
    """

    constants: tuple[Constant, ...]
    compounds: tuple[Compound, ...]
    experiments: tuple[TrueExperiment, ...]
    best: TrueBest
    regret: float | None
    random_regret: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain form for JSON."""
        return {
            "constants": {c.name: {"value": c.value, "unit": c.unit, "words": c.words} for c in self.constants},
            "compounds": [asdict(c) for c in self.compounds],
            "experiments": [asdict(e) for e in self.experiments],
            "best": asdict(self.best),
            "regret": self.regret,
            "random_regret": self.random_regret,
        }  # fmt: skip


BODY_WORDS = {
    "density": ("density", "%", 100.0),
    "grain_size": ("matrix grains", "um", 1.0),
    "open_share": ("open pores", "% of pores", 100.0),
    "abnormal": ("abnormal grains", "% of volume", 100.0),
    "second_phase": ("second phase", "%", 100.0),
    "cracks": ("cracks", "/mm", 1.0),
}
"""Name, unit and factor of each value of a body as people read it."""


TRACE = 5e-4
"""Below this a share, or a length of cracks in 1/mm, is nothing that anybody could find."""


def body_words(name: str, value: float) -> str:
    """One value of a body with three digits, in the unit of ``BODY_WORDS``; 0 for what is only a trace."""
    return f"{value * BODY_WORDS.get(name, (name, '', 1.0))[2]:.3g}" if abs(value) >= TRACE else "0"


def regret_words(regret: float | None) -> str:
    """A regret as people read it."""
    return "nothing measured" if regret is None else f"{regret:.1f} GPa"


def tables(truth: Revelation) -> list[RenderableType]:
    """What ``labwright simulate --reveal`` prints at the end."""
    return [_best_table(truth), _experiment_table(truth), _constant_table(truth)]


def _best_table(truth: Revelation) -> Table:
    table = Table(title="The truth", title_justify="left", show_header=False)
    process = truth.best.design.get("process")
    table.add_row("best design there is", f"{chemical(truth.best.formula)}, {truth.best.hardness:.1f} GPa")
    table.add_row("its process", describe_process(process) if isinstance(process, dict) else "-")
    table.add_row("regret of this campaign", regret_words(truth.regret))
    if truth.random_regret is not None:
        table.add_row("regret of random", regret_words(truth.random_regret))
    table.add_row("how it was found", truth.best.how)
    return table


def _experiment_table(truth: Revelation) -> Table:
    title = "Experiments: the truth, and what was measured and predicted"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("id", "compound"):
        table.add_column(heading, no_wrap=True)
    for heading in ("density\n%", "matrix\ngrains\nµm", "true\nGPa", "measured\nGPa", "forecast\nGPa"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("also", no_wrap=True)
    for one in truth.experiments:
        measured = one.measured.get("hardness")
        true = f"{one.hardness:.1f}" if one.hardness is not None else one.outcome or "not made"
        table.add_row(
            one.id, chemical(one.formula), _body(one, "density"), _body(one, "grain_size"), true,
            plus_minus(measured) if measured else "-", f"{one.predicted[0]:.1f}" if one.predicted else "-", _also(one),
        )  # fmt: skip
    return table


def _body(one: TrueExperiment, name: str) -> str:
    return body_words(name, one.body[name]) if name in one.body else "-"


def _also(one: TrueExperiment) -> str:
    """What else is in a body, a line each, where it is more than a trace."""
    others = [name for name in BODY_WORDS if name not in {"density", "grain_size"} and one.body.get(name, 0.0) >= TRACE]
    words = {
        name: BODY_WORDS[name][0].removesuffix(" pores").removesuffix(" grains").removeprefix("second ")
        for name in others
    }
    units = {name: BODY_WORDS[name][1].partition(" of ")[0] for name in others}
    return "\n".join(f"{words[name]} {body_words(name, one.body[name])} {units[name]}" for name in others)


def _constant_table(truth: Revelation) -> Table:
    table = Table(title="Hidden constants of this laboratory", title_justify="left", show_header=False)
    for constant in truth.constants:
        table.add_row(constant.name, constant.told, constant.words)
    return table
