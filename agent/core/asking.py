"""People's signed requests: pause, stop, clear, reconcile, amend, and what else a person may ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from agent import events as ev
from agent.core.approving import refusal
from agent.core.experimenting import abort, after_end
from agent.core.messages import Decided, Effect, RequestArrived
from agent.core.proposing import closed, withdrawn
from agent.core.state import CampaignState, ExperimentState, LabRules, LabState
from agent.identity import People
from agent.requests import is_possible, verify_request
from instruments.profile.requests import Request

_Done = tuple[Sequence[ev.Event], Sequence[Effect]]


class _CannotError(Exception):
    """The request is a person's, and it cannot be done: ``code`` and words."""

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        super().__init__(words)


def on_request(state: LabState, message: RequestArrived, rules: LabRules, now: datetime) -> Decided:
    """A person asks for something, or somebody pretends to."""
    verdict = verify_request(
        message.token,
        registry=rules.people if isinstance(rules.people, People) else People([]),
        lab=rules.lab,
        user=message.user,
        rid=message.request,
        now=message.wall,
        seen_nonces=state.nonces,
        seen_requests=state.requests,
        stopped={c.id for c in state.campaigns.values() if c.phase in {"stopping", "stopped"}},
    )
    request = verdict.request
    if request is None or verdict.reason is not None:
        code = verdict.reason.value if verdict.reason else "malformed"
        return _refused(state, message, code, verdict.message, rules, now)
    try:
        events, effects = _ACTIONS[request.action](state, request, rules)
    except _CannotError as error:
        return _refused(state, message, error.code, str(error), rules, now)
    accepted = ev.RequestAccepted(
        request=message.request, action=request.action, subject=request.subject, by=request.user,
        comment=request.comment, nonce=request.nonce, envelope=message.token,
    )  # fmt: skip
    return Decided([accepted, *events], effects)


def _refused(
    state: LabState, message: RequestArrived, code: str, words: str, rules: LabRules, now: datetime
) -> Decided:
    return refusal(state, "request", message.user, message.request, code, words, message.token, rules, now)


# ---- Campaigns and the laboratory


def _pause(state: LabState, request: Request, _rules: LabRules) -> _Done:
    campaign = _campaign(state, request)
    if campaign.phase != "running":
        raise _CannotError("wrong_phase", f"{campaign.id} is {campaign.phase}: only a running campaign pauses")
    return _phase(campaign, "paused", request), _told(campaign)


def _resume(state: LabState, request: Request, rules: LabRules) -> _Done:
    campaign = _campaign(state, request)
    if campaign.phase not in {"paused", "stopped", "stopping", "running"}:
        raise _CannotError("wrong_phase", f"{campaign.id} is {campaign.phase}: there is nothing to resume")
    if campaign.id not in rules.campaigns:
        raise _CannotError("unknown_campaign", f"{campaign.id} is not in the laboratory's file any more")
    return _phase(campaign, "running", request), _told(campaign)


def _stop(state: LabState, request: Request, rules: LabRules) -> _Done:
    campaign = _campaign(state, request)
    if campaign.phase in {"completed", "stopped"}:
        raise _CannotError("wrong_phase", f"{campaign.id} is {campaign.phase} already")
    reason = f"the campaign was stopped by {request.user}"
    gone = [state.proposals[p] for p in campaign.waiting]
    caused: list[ev.Event] = [*withdrawn(gone, request.user, reason)]
    caused += [ev.ExperimentEnded(experiment=e, outcome="aborted", reason=reason) for e in campaign.queue]
    caused += _phase(campaign, "stopping" if campaign.begun else "stopped", request)
    del rules
    return caused, [*(e for p in gone for e in closed(p)), *_told(campaign)]


def _stop_lab(state: LabState, request: Request, _rules: LabRules) -> _Done:
    stopped = ev.LabStopped(by=request.user, reason=request.comment or "no reason given")
    cancels = [Effect("cancel", job) for job in state.jobs]
    return [stopped], [*cancels, *(Effect("campaign", c) for c in state.campaigns)]


def _clear_lab(state: LabState, request: Request, _rules: LabRules) -> _Done:
    if not state.stopped:
        raise _CannotError("not_stopped", "no stop holds: there is nothing to clear")
    cleared = ev.LabCleared(by=request.user, reason=request.comment)
    return [cleared], [Effect("campaign", c) for c in state.campaigns]


def _reload(_state: LabState, _request: Request, _rules: LabRules) -> _Done:
    return [], []  # the shell reads the files again when it sees the request accepted


def _maintenance(state: LabState, request: Request, rules: LabRules) -> _Done:
    known = {*rules.instruments, *rules.limits.instruments, *state.maintenance}
    if known and request.subject not in known:
        raise _CannotError(
            "unknown_instrument", f"there is no {request.subject} here; there are {', '.join(sorted(known))}"
        )
    on = bool(request.arguments["on"])
    return [ev.MaintenanceSet(instrument=request.subject, on=on, by=request.user, reason=request.comment)], []


# ---- Proposals, experiments, samples


def _withdraw(state: LabState, request: Request, rules: LabRules) -> _Done:
    proposal = state.proposals.get(request.subject)
    if proposal is None or proposal.phase != "proposed" or proposal.terms is None:
        raise _CannotError("proposal_closed", f"{request.subject} does not wait for a decision")
    campaign = state.campaigns[proposal.campaign]
    more = after_end(campaign, "", rules, waiting=len(campaign.waiting) - 1)
    return [*withdrawn([proposal], request.user, request.comment), *more], closed(proposal)


def _reconcile(state: LabState, request: Request, rules: LabRules) -> _Done:
    experiment = _experiment(state, request)
    if not experiment.lost:
        raise _CannotError("not_lost", f"{experiment.id} does not wait for a person to say what became of it")
    verdict: Literal["again", "aborted"] = "again" if request.arguments["verdict"] == "again" else "aborted"
    reconciled = ev.Reconciled(
        experiment=experiment.id, job=experiment.job, verdict=verdict, by=request.user, reason=request.comment
    )
    caused: list[ev.Event] = [reconciled]
    if verdict == "aborted":
        words = f"given up by {request.user}: {request.comment or experiment.lost}"
        caused += abort(state, experiment, words, rules)
    return caused, [Effect("campaign", experiment.campaign)]


def _amend(state: LabState, request: Request, _rules: LabRules) -> _Done:
    experiment = _ended(state, request)
    found: dict[str, ev.Reading] = {}
    for name, (value, std) in request.values.items():
        if name not in experiment.found:
            known = ", ".join(sorted(experiment.found)) or "nothing"
            raise _CannotError("unknown_property", f"{experiment.id} measured {known}, not {name}")
        before = experiment.found[name]
        found[name] = (value, before[1] if std is None else std)
        if not is_possible(value, before[0]) or (std is not None and std <= 0):
            raise _CannotError("bad_value", f"{name} = {value} +- {found[name][1]}: both must be positive")
    amended = ev.ResultAmended(experiment=experiment.id, found=found, by=request.user, reason=request.comment)
    return [amended], [Effect("campaign", experiment.campaign)]


def _retract(state: LabState, request: Request, _rules: LabRules) -> _Done:
    experiment = _ended(state, request)
    if experiment.retracted:
        raise _CannotError("retracted", f"the result of {experiment.id} was taken back before")
    retracted = ev.ResultRetracted(experiment=experiment.id, by=request.user, reason=request.comment)
    return [retracted], [Effect("campaign", experiment.campaign)]


def _move(state: LabState, request: Request, _rules: LabRules) -> _Done:
    if request.subject not in state.experiments:
        raise _CannotError("unknown_sample", f"there is no sample {request.subject}")
    place = str(request.arguments["place"])
    return [ev.SampleMoved(sample=request.subject, place=place, by=request.user, reason=request.comment)], []


_ACTIONS: dict[str, Callable[[LabState, Request, LabRules], _Done]] = {
    "pause": _pause,
    "resume": _resume,
    "stop": _stop,
    "stop-lab": _stop_lab,
    "clear-lab": _clear_lab,
    "withdraw": _withdraw,
    "reconcile": _reconcile,
    "amend": _amend,
    "retract": _retract,
    "move": _move,
    "maintenance": _maintenance,
    "reload": _reload,
}


def _campaign(state: LabState, request: Request) -> CampaignState:
    campaign = state.campaigns.get(request.subject)
    if campaign is None:
        known = ", ".join(state.campaigns) or "none"
        raise _CannotError("unknown_campaign", f"there is no campaign {request.subject}; there are: {known}")
    return campaign


def _experiment(state: LabState, request: Request) -> ExperimentState:
    experiment = state.experiments.get(request.subject)
    if experiment is None:
        raise _CannotError("unknown_experiment", f"there is no experiment {request.subject}")
    return experiment


def _ended(state: LabState, request: Request) -> ExperimentState:
    experiment = _experiment(state, request)
    if experiment.outcome != "completed":
        words = experiment.outcome or "not ended"
        raise _CannotError("no_result", f"{experiment.id} has no result to change: it is {words}")
    return experiment


def _phase(campaign: CampaignState, phase: str, request: Request) -> list[ev.Event]:
    fields = {"campaign": campaign.id, "phase": phase, "by": request.user, "reason": request.comment}
    return [ev.CampaignPhaseChanged.model_validate(fields)]


def _told(campaign: CampaignState) -> list[Effect]:
    return [Effect("campaign", campaign.id)]
