"""What all browsers' pages of a campaign show alike, worked out once for all of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from agent.dashboard.drawing import charts_campaign, charts_front
from agent.dashboard.drawing.charts import Options
from agent.dashboard.ports import Live
from agent.dashboard.views.campaign import CampaignView, campaign_view
from agent.dashboard.views.campaign_pareto import Axis, axes_of, front_of
from agent.dashboard.views.campaign_timeline import Timeline, timeline_of
from agent.dashboard.views.proposals_memo import Memo

MAX_FRONTS = 32
"""Choices of two quantities of one campaign that are remembered."""
MAX_HAPPENED = 16
"""Parts of what happened that are remembered: most browsers show the latest."""


@dataclass
class Drawn:
    """A campaign as it was worked out last; options are never changed once they are made.

    Attributes:
        key: what it was worked out from.
        view: what the page shows.
        best: options of the chart of the best so far; None where there is nothing to be drawn.
        parity: of predicted against measured, likewise.
        pools: of outcomes by pool, likewise.
        effects: of each factor, in the view's order.
        axes: what samples can be compared in.
        fronts: options by the two quantities that were chosen.
    """

    key: tuple[object, ...]
    view: CampaignView
    best: Options | None
    parity: Options | None
    pools: Options | None
    effects: tuple[Options, ...]
    axes: tuple[Axis, ...]
    fronts: dict[Hashable, Options] = field(default_factory=dict)

    @property
    def there(self) -> tuple[bool, ...]:
        """Which of the charts there are."""
        return tuple(one is not None for one in (self.best, self.parity, self.pools))


class Desk:
    """Works campaigns out when a browser asks, and only where something changed since.

    Args:
        live: the laboratory.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._drawn: dict[str, Drawn] = {}
        self._happened: Memo[Timeline] = Memo(MAX_HAPPENED)

    def drawn(self, cid: str) -> Drawn | None:
        """A campaign as it is now: the same object for as long as nothing of it changes; None where it is not known."""
        key, drawn = self._key(cid), self._drawn.get(cid)
        if drawn is not None and drawn.key == key:
            return drawn
        view = campaign_view(self._live.picture, cid, self._live.now())
        if view is None:
            self._drawn.pop(cid, None)
            return None
        self._drawn[cid] = drawn = self._draw(key, cid, view)
        return drawn

    def front(self, cid: str, x: Axis, y: Axis) -> Options:
        """Options of the chart of two quantities; the campaign is known."""
        drawn = self.drawn(cid)
        picture = self._live.picture
        waiting = [one.proposal for one in picture.proposals.values() if one.proposal.campaign == cid]
        key = (x, y, tuple((one.proposal, one.revision) for one in waiting))
        fronts = drawn.fronts if drawn is not None else {}
        if key not in fronts:
            if len(fronts) >= MAX_FRONTS:
                fronts.clear()
            fronts[key] = charts_front.front(front_of(picture, picture.of_campaign(cid), x, y, waiting))
        return fronts[key]

    def happened(self, cid: str, begin: int, limit: int) -> Timeline:
        """Part of what happened in a campaign; as ``timeline_of``."""
        picture = self._live.picture
        alone = len(picture.campaigns) == 1
        told = (*picture.of_campaign(cid), *picture.outcomes.values(), *picture.proposals.values(), *picture.events)
        return self._happened.of((cid, begin, limit, alone), told, lambda: timeline_of(picture, cid, begin, limit))

    def _draw(self, key: tuple[object, ...], cid: str, view: CampaignView) -> Drawn:
        reach = charts_campaign.effects_reach(view.effects)
        goal = view.goals[0] if view.goals else None
        picture = self._live.picture
        return Drawn(
            key,
            view,
            charts_campaign.best_so_far(view.curve) if view.curve is not None and view.curve.points else None,
            charts_campaign.parity(view.parity) if view.parity is not None and view.parity.points else None,
            charts_campaign.pools(view.pools) if view.pools.pools else None,
            tuple(charts_campaign.effect(one, goal, reach) for one in view.effects) if goal is not None else (),
            axes_of(picture, picture.of_campaign(cid), view.goals),
        )

    def _key(self, cid: str) -> tuple[object, ...]:
        picture = self._live.picture
        campaign = picture.campaigns.get(cid)
        if campaign is None:
            return ()
        # Messages are replaced and never changed: the very same ones are compared without being looked into.
        return (campaign.state, campaign.space, campaign.model, *picture.of_campaign(cid))
