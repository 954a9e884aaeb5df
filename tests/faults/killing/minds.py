"""Planning and reading without models: at once, and the same when asked again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

from agent import events as ev
from agent.daemon.space_facts import SpaceFacts
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest, Suggestion
from agent.rules.outlook import Outlook
from agent.store import ArtefactStore
from envs.design import Design

REFUSED = 0.2
"""Share of the images that the reader refuses, so that they are taken again."""


class QuickMinds:
    """Designs at random from the campaigns' own spaces; images by their bytes.

    Args:
        facts: of each campaign's design space.
        seed: of the draws.
    """

    def __init__(self, facts: Mapping[str, SpaceFacts], seed: int) -> None:
        self._facts = facts
        self._seed = seed

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Feasible designs that were not made before."""
        rng = random.Random(f"{self._seed} {campaign} {request.round}")
        facts, made = self._facts[campaign], set(request.made_before)
        found: list[Suggestion] = []
        while len(found) < request.n:
            process = {factor.name: rng.choice(factor.levels) for factor in facts.factors}
            design = Design(rng.choice(list(facts.crystals)), process)
            if design in made or facts.admits(design):
                continue
            made.add(design)
            record = ev.DesignRecord(crystal=design.crystal, formula=facts.crystals[design.crystal], process=process)
            found.append(Suggestion(record, "random"))
        return PlanAnswer(tuple(found), {"random": len(found)})

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """Nothing is expected of any design: there are no models."""
        del campaign
        return PreviewAnswer(tuple(Outlook() for _ in request.designs), ("there are no models",))

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """Accepted or not by a hash of what the store really holds."""
        data = ArtefactStore(store).get(image.sha256)
        draw = int(hashlib.sha256(data + bytes([attempt])).hexdigest()[:8], 16) / 2**32
        accepted = draw >= REFUSED
        return ev.ImageRead(
            experiment=experiment, attempt=attempt, image=image, accepted=accepted,
            reason="" if accepted else "too few grains", pixel_size=pixel_size or 0.05,
            next_pixel_size=None if accepted else 0.1, grain_size=(1.5, 0.1) if accepted else None,
            porosity=(0.02, 0.005) if accepted else None, n_grains=200 if accepted else 3, overlay=None,
        )  # fmt: skip
