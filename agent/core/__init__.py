"""The agent's core: what follows from what happened. Pure: no clock, no disk, no network, no random numbers.

``decide`` turns a message from outside into events, and into effects that the world has to be told of; ``evolve`` folds
an event into the state; ``due`` derives from the state alone what has to be done next. A restart therefore needs
nothing but the journal: fold it, then do what is due. Nothing is sent that ``due`` does not derive from a journaled
intent, and an answer to a job that is not open changes nothing.

Read ``messages`` (what comes in and goes out), ``state``, ``evolving``, ``deciding`` (the way in), ``proposing``
(campaigns and rounds), ``approving`` (people's decisions), ``asking`` (people's requests), ``experimenting`` (orders
and answers), ``till`` (budgets), ``scheduling`` (what is due).

Proposal: proposed -> approved, rejected, expired, withdrawn; an edit makes its next revision. Experiment: queued -> the
recipe's steps (an image is read, and taken again while it is refused) -> completed, or failed with an outcome at any
step; where nobody knows what became of an order it waits for a person.
"""

from agent.core.deciding import decide
from agent.core.evolving import SPAN, evolve
from agent.core.experimenting import MAX_INTERRUPTIONS
from agent.core.messages import (
    Command,
    Decided,
    DecisionArrived,
    Dispatching,
    Effect,
    Holding,
    InstrumentView,
    Lost,
    Message,
    Mode,
    Planned,
    PlanRound,
    ReadImage,
    RequestArrived,
    SendOrder,
    Settled,
    Tick,
    World,
)
from agent.core.scheduling import due
from agent.core.state import (
    APPROVER,
    CampaignRules,
    CampaignState,
    ExperimentState,
    LabRules,
    LabState,
    ProposalState,
)

__all__ = [
    "APPROVER",
    "MAX_INTERRUPTIONS",
    "SPAN",
    "CampaignRules",
    "CampaignState",
    "Command",
    "Decided",
    "DecisionArrived",
    "Dispatching",
    "Effect",
    "ExperimentState",
    "Holding",
    "InstrumentView",
    "LabRules",
    "LabState",
    "Lost",
    "Message",
    "Mode",
    "PlanRound",
    "Planned",
    "ProposalState",
    "ReadImage",
    "RequestArrived",
    "SendOrder",
    "Settled",
    "Tick",
    "World",
    "decide",
    "due",
    "evolve",
]
