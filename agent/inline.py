"""Planning and reading in this process, in threads beside the loop: for offline campaigns, and inside the worker."""

from __future__ import annotations

from pathlib import Path

from agent import events as ev
from agent.background import in_background
from agent.cells import conventional_cell
from agent.imaging import CampaignImageReader
from agent.minds import PlanAnswer, PlanRequest, PreviewAnswer, PreviewRequest, Suggestion
from agent.plain_effects import domain_of, effect_of, significant
from agent.planner import Plan, Planner
from agent.proposal import Expectation, Proposal
from agent.rules.outlook import Outlook
from envs.crystals import CrystalLibrary
from envs.design import Design
from surrogates.composite import MIN_OBSERVATIONS
from surrogates.observations import Made


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

    async def preview(self, campaign: str, request: PreviewRequest) -> PreviewAnswer:
        """Say what the models expect of some designs."""
        del campaign
        return await in_background(self.preview_now, request)

    def preview_now(self, request: PreviewRequest) -> PreviewAnswer:
        """The same, in this thread.

        Raises:
            InfeasibleDesignError: a design is not of the space.
        """
        expected = self._planner.foresee(request.history, request.designs)
        if expected:
            pairs = zip(request.designs, expected, strict=True)
            return PreviewAnswer(tuple(self._outlook(d, e) for d, e in pairs), self._planner.notes)
        made = sum(isinstance(o, Made) for o in request.history.values())
        few = f"the models need {MIN_OBSERVATIONS} finished experiments before they can predict; there are {made}"
        return PreviewAnswer(tuple(self._outlook(d, None) for d in request.designs), (few,) if request.designs else ())

    def _answer(self, plan: Plan) -> PlanAnswer:
        return PlanAnswer(
            tuple(self._suggestion(p) for p in plan.proposals),
            dict(plan.candidates),
            plan.checkpoint,
            plan.notes,
            self._model_version,
            self._planner.strategy.value,
            tuple(effect_of(curve) for curve in plan.effects),
        )

    def _suggestion(self, proposal: Proposal) -> Suggestion:
        design = proposal.design
        record = ev.DesignRecord(
            crystal=design.crystal, formula=self._library[design.crystal].name, process=dict(design.process)
        )
        told = self._outlook(design, proposal.expected)
        return Suggestion(
            record, proposal.pool, proposal.acquisition, told.forecast, told.nearest, told.effects, told.domain,
            told.structure, told.distance,
        )  # fmt: skip

    def _outlook(self, design: Design, expected: Expectation | None) -> Outlook:
        structure = conventional_cell(self._library[design.crystal]) if design.crystal else None
        if expected is None:
            return Outlook(structure=structure)
        return Outlook(
            ev.ForecastRecord(**vars(expected.forecast)),
            tuple(effect_of(curve) for curve in expected.effects),
            domain_of(expected.standing),
            structure,
            expected.nearest,
            None if expected.distance is None else significant(expected.distance),
            self._model_version,
            expected.found,
        )

    async def read_image(
        self, experiment: str, attempt: int, image: ev.ArtefactRecord, pixel_size: float, store: Path
    ) -> ev.ImageRead:
        """Read an image of the store."""
        del store
        return await in_background(self._reader.read, experiment, attempt, image, pixel_size)
