"""A small campaign's record written by hand: five experiments of every kind, with real image files."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from sem_readings import microstructure

from agent import events as ev
from agent.config import CampaignConfig
from agent.journal import Journal
from agent.store import ArtefactStore

START = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = CampaignConfig.model_validate({"campaign": {"name": "tiny", "experiments": 5, "initial": 2, "batch": 3}})
CRYSTALS = {"E001": ("mp-988", "Si3N4"), "E002": ("mp-1145", "TiB2"), "E003": ("mp-1346", "B6O"),
            "E004": ("mp-1086", "TaC"), "E005": ("mp-2305", "MoC")}  # fmt: skip
PROCESS: dict[str, ev.Factor] = {"powder_size": 0.2, "additive": "Y2O3", "temperature": 1700.0, "hold": 4.0,
                                 "heating_rate": 5.0, "pressure": 40.0}  # fmt: skip
HOSTILE = "cracked: <script>alert('x')</script> & [bold]"


def created() -> ev.CampaignCreated:
    return ev.CampaignCreated(
        name="tiny", config=CONFIG.model_dump(mode="json"), space_version="7d6d29e4" * 8, software="labwright 0.1.0"
    )


def write(directory: Path, *, until: int = 5, failed: Sequence[str] = ("E004", "E005"), done: bool = True) -> Path:
    """Write the record of the first ``until`` experiments; ``failed`` ones end without a hardness."""
    store = ArtefactStore(directory / "artefacts")
    with Journal(directory, write=True) as journal:
        journal.append([created(), ev.RoundPlanned(round=0, candidates={"start": 2})], START)
        for n, experiment in enumerate(list(CRYSTALS)[:until]):
            if n == 2:
                journal.append([ev.RoundPlanned(round=1, candidates={"random": 40, "ppo": 6})], START)
            journal.append(_proposed(n, experiment), START + timedelta(hours=n))
            happened = _infeasible(experiment) if experiment in failed else _measured(n, experiment, store)
            journal.append(happened, START + timedelta(hours=n + 1))
        if done:
            journal.append([ev.CampaignEnded(reason=f"budget: {until} experiments made")], START + timedelta(days=2))
    return directory


def _proposed(n: int, experiment: str) -> list[ev.Event]:
    crystal, formula = CRYSTALS[experiment]
    proposal = f"P{n + 1:03d}"
    learned = n >= 2
    forecast = ev.ForecastRecord(median=21.0, low=15.0, high=30.0, porosity=0.02, grain_size=1.5, feasibility=0.9)
    design = ev.DesignRecord(crystal=crystal, formula=formula, process={**PROCESS, "temperature": 1500.0 + 100 * n})
    return [
        ev.ProposalMade(
            proposal=proposal, round=int(learned), design=design, pool="ppo" if learned else "start",
            acquisition=-0.5 if learned else None, forecast=forecast if learned else None,
            nearest="E001" if learned else "",
        ),
        ev.ProposalDecided(proposal=proposal, verdict="approved", by="policy:auto-approve", reason="virtual"),
        ev.ExperimentQueued(experiment=experiment, proposal=proposal),
        _sent(experiment, "sinter", "furnace-1"),
    ]  # fmt: skip


def _sent(experiment: str, step: str, instrument: str, attempt: int = 0) -> ev.StepDispatched:
    job = f"job-{experiment}-{step}-{attempt}"
    return ev.StepDispatched(experiment=experiment, step=step, attempt=attempt, job=job, instrument=instrument,
                             command=step, parameters={"sample": experiment})  # fmt: skip


def _answered(
    sent: ev.StepDispatched, values: dict[str, dict[str, object] | str], image: ev.ArtefactRecord | None = None
) -> ev.StepEnded:
    artefacts = {"image": image} if image else {}
    return ev.StepEnded(experiment=sent.experiment, step=sent.step, attempt=sent.attempt, job=sent.job,
                        state="succeeded", values=values, artefacts=artefacts, elapsed_s=1800.0)  # fmt: skip


def _infeasible(experiment: str) -> list[ev.Event]:
    return [
        ev.StepEnded(experiment=experiment, step="sinter", attempt=0, job=f"job-{experiment}-sinter-0", state="failed",
                     values={}, artefacts={}, error_kind="infeasible", error=HOSTILE, elapsed_s=60.0),
        ev.ExperimentEnded(experiment=experiment, outcome="infeasible", reason=HOSTILE),
    ]  # fmt: skip


def _measured(n: int, experiment: str, store: ArtefactStore) -> list[ev.Event]:
    """The third experiment's first image is refused."""
    happened: list[ev.Event] = [_answered(_sent(experiment, "sinter", "furnace-1"), {})]
    for attempt in range(2 if n == 2 else 1):
        accepted = n != 2 or attempt == 1
        image, overlay = _pictures(10 * n + attempt, store)
        sent = _sent(experiment, "image", "sem-1", attempt)
        happened += [
            sent,
            _answered(sent, {"pixel_size": {"value": 0.05, "unit": "um"}}, image),
            ev.ImageRead(
                experiment=experiment, attempt=attempt, image=image, accepted=accepted,
                reason="" if accepted else "out of focus: refocus and image again", pixel_size=0.05,
                next_pixel_size=None if accepted else 0.04, grain_size=(1.5 + n, 0.12),
                porosity=(0.01 * (n + 1), 0.004), n_grains=200, overlay=overlay,
                **(microstructure() if accepted and n == 2 else {}),
            ),
        ]  # fmt: skip
    sent, hardness = _sent(experiment, "indent", "indenter-1"), 14.0 + 6 * n
    answer = _answered(sent, {"hardness": {"value": hardness, "unit": "GPa", "std": 0.3}})
    ended = ev.ExperimentEnded(
        experiment=experiment, outcome="completed", reason="", found={"hardness": (hardness, 0.3)}
    )
    return [*happened, sent, answer, ended]


def _pictures(seed: int, store: ArtefactStore) -> tuple[ev.ArtefactRecord, ev.ArtefactRecord]:
    grey = np.random.default_rng(seed).integers(0, 255, (96, 128), dtype=np.uint8)
    made = []
    for form, media_type in (("TIFF", "image/tiff"), ("PNG", "image/png")):
        buffer = io.BytesIO()
        Image.fromarray(grey).save(buffer, format=form)
        data = buffer.getvalue()
        made.append(ev.ArtefactRecord(sha256=store.put(data, media_type), media_type=media_type, bytes=len(data)))
    return made[0], made[1]
