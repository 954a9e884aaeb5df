"""What a person watches while a campaign runs: a bar, the best so far, and a line an experiment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agent import core
from agent import events as ev
from agent.events.base import CAMPAIGN
from agent.record import UNIT
from agent.words import plus_minus

OUTCOME_WORDS = {
    "infeasible": "synthesis failed",
    "invalid_measurement": "no valid image",
    "retryable": "gave up after retries",
    "aborted": "aborted",
}


class CampaignProgress:
    """Observes a campaign and draws it on a console.

    Args:
        console: where to draw; lines only where it is no terminal.
        total: experiments in the budget.
        label: name beside the bar.
        verbose: a line an experiment; else the bar alone.
    """

    def __init__(self, console: Console, total: int, *, label: str, verbose: bool = True) -> None:
        self._console = console
        self._verbose = verbose
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task(label, total=total, note="starting")
        self._total = total
        self._best = 0.0
        self._made: dict[str, ev.ProposalMade] = {}
        self._live = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        """Take note of an event."""
        self._live = not replayed
        if isinstance(event, ev.RoundPlanned):
            self._note(f"round {event.round} · candidates {sum(event.candidates.values())}")
            for note in event.notes:
                self._say(f"  round {event.round}  [yellow]{escape(note)}[/]")
        elif isinstance(event, ev.ProposalMade):
            self._made[event.proposal] = event
        elif isinstance(event, ev.StepDispatched):
            self._note(f"{event.experiment} {event.command} on {event.instrument} · {self._best_words()}")
        elif isinstance(event, ev.ImageRead) and not event.accepted:
            self._say(f"  {event.experiment}  [yellow]image refused[/]: {escape(event.reason)}")
        elif isinstance(event, ev.CampaignEnded):
            self._note(self._best_words())
        elif isinstance(event, ev.ExperimentEnded):
            self._ended(state.experiments[event.experiment])
            if not state.jobs and state.campaigns[CAMPAIGN].idle and len(state.experiments) < self._total:
                self._note(f"learning from {len(state.experiments)} experiments · {self._best_words()}")
                if not self._console.is_terminal:
                    self._say(f"  learning from {len(state.experiments)} experiments")

    def _ended(self, experiment: core.ExperimentState) -> None:
        self._progress.advance(self._task)
        made = self._made[experiment.proposal]
        compound = f"{made.design.formula} {made.design.crystal}"
        head = f"  {experiment.id}  {compound:<20} {describe_process(made.design.process):<46}"
        if experiment.hardness is None or experiment.reading is None:
            words = OUTCOME_WORDS.get(experiment.outcome, experiment.outcome)
            self._say(f"{head} [dim]{words}: {escape(reason_words(experiment.reason, experiment.id))}[/]")
            return
        value = experiment.hardness[0]
        better = value > self._best
        self._best = max(self._best, value)
        star = " [bold green]best so far[/]" if better else ""
        self._say(
            f"{head} {_descriptors(experiment.reading)}  [bold]{plus_minus(experiment.hardness, unit=UNIT)}[/]{star}"
        )

    def _best_words(self) -> str:
        return f"best so far {self._best:.1f} GPa" if self._best else "nothing measured yet"

    def _note(self, text: str) -> None:
        self._progress.update(self._task, note=text)

    def _say(self, line: str) -> None:
        if self._verbose and self._live:
            self._progress.console.print(line, highlight=False, soft_wrap=True)


def reason_words(reason: str, experiment: str) -> str:
    """Why an experiment ended, without what stands beside it: the fault's code and the sample's name."""
    return re.sub(rf"^\w+: sample {re.escape(experiment)}: ", "", reason)


def faults_words(faults: Mapping[str, object] | None) -> str:
    """The rate of faults and how many took place, by kind; ``none`` where there were none.

    Args:
        faults: ``rate``, and ``injected`` with numbers by kind.
    """
    injected = (faults or {}).get("injected")
    if not faults or not isinstance(injected, dict):
        return "none"
    kinds = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in injected.items())
    rate = f"{faults['rate']:.0%} of orders"
    return f"{sum(injected.values())} at a rate of {rate}" + (f": {kinds}" if kinds else "")


def describe_process(process: dict[str, ev.Factor]) -> str:
    """A process in one short line."""
    words = {
        "temperature": "{:g} °C", "hold": "{:g} h", "heating_rate": "{:g} K/min", "pressure": "{:g} MPa",
        "powder_size": "{:g} µm",
    }  # fmt: skip
    parts = [words[k].format(process[k]) for k in words if k in process]
    additive = process.get("additive", "none")
    return ", ".join(parts + ([str(additive)] if additive != "none" else []))


def _descriptors(reading: ev.ImageRead) -> str:
    if reading.grain_size is None or reading.porosity is None:
        return ""
    grains, porosity = plus_minus(reading.grain_size, unit="µm"), plus_minus(reading.porosity, factor=100.0, unit="%")
    return f"grains {grains:<15} porosity {porosity:<12}"
