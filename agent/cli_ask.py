"""Commands for people who ask for something beside decisions: pause, stop, clear, reconcile, amend, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli_decide import AsJson, ProposalId, finish, only_one
from agent.cli_place import Comment, There, ask_password, with_place

if TYPE_CHECKING:
    from instruments.profile.requests import Action, Argument

ask_app = typer.Typer(no_args_is_help=True)
sample_app = typer.Typer(no_args_is_help=True, help="Where samples are.")
ask_app.add_typer(sample_app, name="sample")

CampaignId = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id.")]
ExperimentId = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id.")]
Why = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why: it stands in the record for good.")]


class ReconcileVerdict(StrEnum):
    """What a person says of an experiment that nobody knows the end of."""

    AGAIN = "again"
    ABORTED = "aborted"


class Switch(StrEnum):
    """Values of a switch."""

    ON = "on"
    OFF = "off"


@ask_app.command()
@with_place
def pause(there: There, campaign: CampaignId, comment: Comment = "", as_json: AsJson = False) -> None:
    """Pause a campaign: what is under way goes on, nothing further is begun."""
    _ask(there, "pause", campaign, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def resume(there: There, campaign: CampaignId, comment: Comment = "", as_json: AsJson = False) -> None:
    """Go on with a campaign after a pause; after a stop, approvers and safety may."""
    _ask(there, "resume", campaign, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def stop(
    there: There,
    campaign: Annotated[str, typer.Argument(metavar="[CAMPAIGN]", help="Its id.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="The whole laboratory.")] = False,
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Stop a campaign, or the laboratory: one person is enough, and it holds until a person clears it.

    This is a request over the network. It is no emergency stop: those are in hardware.
    """
    only_one("a campaign, or --all for the whole laboratory", bool(campaign), everything)
    if everything:
        _ask(there, "stop-lab", comment=comment, as_json=as_json)
    else:
        _ask(there, "stop", campaign, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def clear(there: There, comment: Comment = "", as_json: AsJson = False) -> None:
    """Clear the laboratory's stop: who does says that it is safe to go on."""
    _ask(there, "clear-lab", comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def withdraw(there: There, pid: ProposalId, comment: Comment = "", as_json: AsJson = False) -> None:
    """Take a proposal back, without saying that it is a bad one."""
    _ask(there, "withdraw", pid, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def reconcile(
    there: There,
    experiment: ExperimentId,
    verdict: Annotated[ReconcileVerdict, typer.Argument(help="Make it again, or give it up.")],
    comment: Why,
    as_json: AsJson = False,
) -> None:
    """Say what becomes of an experiment of which no instrument can tell how far it came: after having looked."""
    _ask(there, "reconcile", experiment, {"verdict": verdict.value}, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def amend(
    there: There,
    experiment: ExperimentId,
    values: Annotated[
        list[str], typer.Argument(metavar="PROPERTY=VALUE...", help="PROPERTY_std=VALUE is its standard uncertainty.")
    ],
    comment: Why,
    as_json: AsJson = False,
) -> None:
    """Put other values in the place of an experiment's measured ones; the record keeps both."""
    from agent.deciding.design import read_values

    _ask(there, "amend", experiment, read_values(values), comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def retract(there: There, experiment: ExperimentId, comment: Why, as_json: AsJson = False) -> None:
    """Take an experiment's result back: the models no longer learn from it."""
    _ask(there, "retract", experiment, comment=comment, as_json=as_json)


@sample_app.command("move")
@with_place
def sample_move(
    there: There,
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Its id: that of its experiment.")],
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Where it is now, such as shelf-3.")],
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Say where a sample is now."""
    _ask(there, "move", sample, {"place": place}, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def maintenance(
    there: There,
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="Its id.")],
    switch: Annotated[Switch, typer.Argument(help="Out of service, or back.")],
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Take an instrument out of service, or put it back: nothing is ordered of it meanwhile."""
    _ask(there, "maintenance", instrument, {"on": switch is Switch.ON}, comment=comment, as_json=as_json)


@ask_app.command()
@with_place
def reload(there: There, comment: Comment = "", as_json: AsJson = False) -> None:
    """Have the agent read its file, its limits and people's keys again."""
    _ask(there, "reload", comment=comment, as_json=as_json)


def _ask(
    there: There,
    action: Action,
    subject: str = "",
    arguments: Mapping[str, Argument] | None = None,
    *,
    comment: str,
    as_json: bool,
) -> None:
    from agent.deciding.letters import request_of

    session = there.session(signs=True)
    lab = session.place.topics.lab
    # Tried before the password is asked for; what is signed carries the time after it.
    request_of(lab, session.user, action, at=session.clock.now(), subject=subject, arguments=arguments, comment=comment)
    said = " ".join(f"{name}={value}" for name, value in (arguments or {}).items())
    typer.echo(" ".join(filter(None, (f"{session.user}: {action}", subject, said, f"in {lab}"))), err=True)
    key = session.open_key(ask_password(f"Password of {session.user}"))
    finish(session.ask(key, action, subject, arguments=arguments, comment=comment), as_json=as_json)
