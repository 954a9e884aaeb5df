"""What computes, replaced by chance: a planner that proposes any design, a network that refuses some images."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path

from typing_extensions import override

from agent import events as ev
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest, Suggestion
from agent.rules.outlook import Outlook
from agent.store import ArtefactStore

from .fixed import CRYSTALS, HOT
from .plan import Plan


class MemoryStore(ArtefactStore):
    """Artefacts that outlive processes, without files."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self._kept: dict[str, bytes] = {}

    @override
    def put(self, data: bytes, media_type: str = "application/octet-stream") -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._kept[digest] = data
        return digest

    @override
    def get(self, sha256: str) -> bytes:
        return self._kept[sha256]


class ChanceMinds:
    """Asked again it gives the same answer, as the real ones do.

    Args:
        plan: of the schedule.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._campaigns = {c.id: c for c in plan.campaigns}

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Propose anything that was not made before."""
        rng = random.Random(f"{self._plan.seed} plan {campaign} {request.round}")
        await asyncio.sleep(rng.uniform(0.5, 5.0))
        made = {(d.crystal, d.process["temperature"], d.process["time"]) for d in request.made_before}
        left = [(c, t, h) for c in CRYSTALS for t in HOT for h in (1.0, 2.0, 4.0) if (c, t, h) not in made]
        chosen = rng.sample(left, min(request.n, len(left)))
        return PlanAnswer(
            tuple(
                Suggestion(
                    ev.DesignRecord(crystal=c, formula=CRYSTALS[c], process={"temperature": t, "time": h}), "random"
                )
                for c, t, h in chosen
            ),
            {"random": len(left)},
        )

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """Nothing is expected of any design: there are no models."""
        del campaign
        return PreviewAnswer(tuple(Outlook() for _ in request.designs), ("there are no models",))

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """Accept an image or refuse it."""
        del store
        campaign = self._campaigns[experiment.partition("-")[0]]
        rng = random.Random(f"{self._plan.seed} read {experiment} {attempt}")
        await asyncio.sleep(rng.uniform(0.5, 5.0))
        refused = rng.random() < campaign.refused
        return ev.ImageRead(
            experiment=experiment, attempt=attempt, image=image, accepted=not refused,
            reason="out of focus" if refused else "", pixel_size=pixel_size, next_pixel_size=0.1 if refused else None,
            grain_size=None if refused else (3.0, 0.2), porosity=None if refused else (0.02, 0.01),
            n_grains=0 if refused else 200, overlay=None,
        )  # fmt: skip
