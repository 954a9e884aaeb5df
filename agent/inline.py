"""Planning and reading in this process, in threads beside the loop: for offline campaigns, and inside the worker."""

from __future__ import annotations

from pathlib import Path

from agent import events as ev
from agent.background import in_background
from agent.imaging import CampaignImageReader
from agent.minds import PlanAnswer, PlanRequest, Suggestion
from agent.planner import Plan, Planner
from agent.proposal import Proposal
from envs.crystals import CrystalLibrary


class InlineMinds:
    """Computes with what it is given.

    Args:
        planner: of the one campaign that there is.
        library: names the crystals of designs.
        reader: the network; its store is the campaign's.
        model_version: names the models in what is proposed.
    """

    def __init__(
        self, planner: Planner, library: CrystalLibrary, reader: CampaignImageReader, *, model_version: str = "none"
    ) -> None:
        self._planner = planner
        self._library = library
        self._reader = reader
        self._model_version = model_version
        self._restored = False

    async def plan(self, campaign: str, request: PlanRequest) -> PlanAnswer:
        """Propose the next round."""
        del campaign
        return await in_background(self.plan_now, request)

    def plan_now(self, request: PlanRequest) -> PlanAnswer:
        """The same, in this thread."""
        if request.checkpoint and not self._restored:
            self._planner.restore(request.checkpoint)
        self._restored = True
        plan = self._planner.start(request.n) if request.round == 0 else self._planner.ask(
            request.history, request.round, request.n, made_before=tuple(request.made_before)
        )  # fmt: skip
        return self._answer(plan)

    def _answer(self, plan: Plan) -> PlanAnswer:
        return PlanAnswer(
            tuple(self._suggestion(p) for p in plan.proposals),
            dict(plan.candidates),
            plan.checkpoint,
            plan.notes,
            self._model_version,
            self._planner.strategy.value,
        )

    def _suggestion(self, proposal: Proposal) -> Suggestion:
        design, forecast = proposal.design, proposal.forecast
        record = ev.DesignRecord(
            crystal=design.crystal, formula=self._library[design.crystal].name, process=dict(design.process)
        )
        told = ev.ForecastRecord(**vars(forecast)) if forecast else None
        return Suggestion(record, proposal.pool, proposal.acquisition, told, proposal.nearest)

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """Read an image of the store."""
        del store
        return await in_background(self._reader.read, experiment, attempt, image, pixel_size)
