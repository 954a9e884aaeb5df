"""What a broker says of one laboratory on one noon, for tests of the dashboard: valid, and like real ones.

``sample_picture`` puts them together; ``FakeLive`` and ``FakeVoice`` stand for the broker behind a page.
"""

from __future__ import annotations

from dashboard_experiments import sample_experiment, sample_images, sample_instruments
from dashboard_fakes import PASSWORD, Call, FakeLive, FakeVoice
from dashboard_messages import (
    AGENT,
    BOOT,
    CAMPAIGN,
    CERAMICS,
    FACTORS,
    LAB,
    NOW,
    ROLES,
    sample_campaign,
    sample_design,
    sample_effects,
    sample_events,
    sample_laboratory,
    sample_model,
    sample_outcome,
    sample_proposal,
    sample_revision,
    sample_space,
    sample_status,
    waiting,
)

from agent.dashboard.live.picture import CampaignPicture, LabPicture
from instruments.profile.experiment_messages import ExperimentPhase, ExperimentState, StepState

__all__ = [
    "AGENT", "BOOT", "CAMPAIGN", "CERAMICS", "FACTORS", "LAB", "NOW", "PASSWORD", "ROLES", "Call", "FakeLive",
    "FakeVoice", "sample_at_work", "sample_campaign", "sample_design", "sample_effects", "sample_events",
    "sample_experiment", "sample_images", "sample_instruments", "sample_laboratory", "sample_model", "sample_outcome",
    "sample_picture", "sample_proposal", "sample_revision", "sample_space", "sample_status", "waiting",
]  # fmt: skip


def sample_at_work() -> LabPicture:
    """A whole laboratory whose furnace is at work by what its experiment says, too."""
    picture = sample_picture()
    running = picture.experiments[f"{CAMPAIGN}-E011"]
    sinter = running.steps[0].model_copy(update={"state": "accepted", "ended_at": None, "elapsed_s": None, "found": {}})
    to_come = StepState(step="survey", state="waiting")
    picture.experiments[running.experiment] = running.model_copy(update={"steps": (sinter, to_come)})
    return picture


def sample_picture(n_proposals: int = 3, n_experiments: int = 12) -> LabPicture:
    """A whole laboratory."""
    experiments: dict[str, ExperimentState] = {}
    for i in range(1, n_experiments + 1):
        phase: ExperimentPhase = "queued" if i == n_experiments else "running" if i == n_experiments - 1 else "ended"
        one = sample_experiment(i, phase, outcome="infeasible" if i % 5 == 0 else "completed", retracted=i == 3)
        experiments[one.experiment] = one
    proposals = [sample_revision(i) if i == 2 else sample_proposal(i) for i in range(1, n_proposals + 1)]
    return LabPicture(
        proposals={one.proposal: waiting(one) for one in proposals},
        campaigns={CAMPAIGN: CampaignPicture(sample_campaign(), sample_space(), sample_model())},
        experiments=experiments,
        outcomes={one.proposal: one for one in (sample_outcome(901), sample_outcome(902, "rejected"))},
        instruments=sample_instruments(),
        agents={AGENT: sample_status()},
        labs={AGENT: sample_laboratory()},
        events=sample_events(),
        heard_s=0.0,
    )
