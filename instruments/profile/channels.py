"""Every channel of the profile in one table: address, who writes and reads, delivery, message.

Topics, access lists and the published documents are derived from it. Nothing of a laboratory is in here: the levels
before an address are ``{root}/v1/{lab}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel

from instruments import messages as said
from instruments.profile import agent_messages as told
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.decisions import Decision
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.laboratory import Laboratory
from instruments.profile.model_messages import CampaignModel, CampaignSpace
from instruments.profile.questions import Answer, Question
from instruments.profile.requests import Request

Party = Literal["agent", "instrument", "person"]
"""Who is on the bus: agents, instruments, and people (their dashboards act for them)."""
Identity = Literal["iid", "aid", "user"]
_EVERYONE: frozenset[Party] = frozenset({"agent", "person"})
_INSTRUMENTS_TOO: frozenset[Party] = frozenset({"agent", "person", "instrument"})
_PARAMETER = re.compile(r"\{(\w+)\}")

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "iid": "The instrument's id",
        "channel": "The channel's name in the instrument's description",
        "job": "The job's id, a UUIDv7",
        "cid": "The campaign's id",
        "pid": "The proposal's id",
        "user": "The person's name, with a letter or digit first and last",
        "eid": "The experiment's id",
        "qid": "The question's id, which its asker makes up",
        "rid": "The request's id, the first 32 hexadecimal digits of its SHA-256",
        "aid": "The agent's id",
    }
)
"""What stands in the variable levels of the addresses."""


@dataclass(frozen=True)
class Channel:
    """One row of the profile's table.

    Args:
        key: its name in documents, such as ``desc``.
        address: below ``{root}/v1/{lab}/``, with variable levels in braces.
        writer: who alone may publish.
        identity: the variable level that must be the writer's own name; None where any writer of the kind may.
        readers: who needs to read it; an instrument reads its own ``{iid}`` only.
        qos: MQTT quality of service.
        retain: whether the broker keeps the last message.
        message: the payload, or the claims of a signed one.
        summary: what it is for, in a line.
        kept: what becomes of the retained message, or why there is none.
        will: whether the last will is published here.
        signed: whether the payload is a compact JWS whose claims are ``message``.
        private: whether a person reads only what bears their own name.
    """

    key: str
    address: str
    writer: Party
    identity: Identity | None
    readers: frozenset[Party]
    qos: Literal[0, 1]
    retain: bool
    message: type[BaseModel]
    summary: str
    kept: str
    will: bool = False
    signed: bool = False
    private: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """Its variable levels, in their order."""
        return tuple(_PARAMETER.findall(self.address))

    def fill(self, levels: Mapping[str, str]) -> str:
        """The address with the given variable levels; the others become ``+``."""
        return _PARAMETER.sub(lambda found: levels.get(found[1], "+"), self.address)

    def levels_of(self, address: str) -> dict[str, str] | None:
        """The variable levels of an address, None when it is another channel's."""
        wanted, given = self.address.split("/"), address.split("/")
        if len(wanted) != len(given):
            return None
        levels: dict[str, str] = {}
        for name, level in zip(wanted, given, strict=True):
            if name.startswith("{"):
                levels[name[1:-1]] = level
            elif name != level:
                return None
        return levels


_ROWS = (
    Channel(
        "desc",
        "instrument/{iid}/desc",
        "instrument",
        "iid",
        _EVERYONE,
        1,
        True,
        said.Description,
        "What an instrument is and can do",
        "until the next one",
    ),
    Channel(
        "status",
        "instrument/{iid}/status",
        "instrument",
        "iid",
        _EVERYONE | {"instrument"},
        1,
        True,
        said.Status,
        "An instrument's presence: every 10 s, on every change, and as its last will",
        "until the next one",
        will=True,
    ),
    Channel(
        "telemetry",
        "instrument/{iid}/telemetry/{channel}",
        "instrument",
        "iid",
        _EVERYONE,
        0,
        False,
        said.Telemetry,
        "A reading of an instrument",
        "not: it may be lost",
    ),
    # An order carries the token of its upload ticket: nobody reads it but the instrument.
    Channel(
        "cmd",
        "instrument/{iid}/cmd/{job}",
        "agent",
        None,
        frozenset({"instrument"}),
        1,
        False,
        said.Command,
        "An order to do one job",
        "never: an instrument ignores a retained one",
    ),
    Channel(
        "job",
        "instrument/{iid}/job/{job}",
        "instrument",
        "iid",
        _EVERYONE,
        1,
        True,
        said.JobState,
        "Where a job stands",
        "the job's last state; an answer beside its life is not retained",
    ),
    Channel(
        "ctl",
        "instrument/{iid}/ctl",
        "agent",
        None,
        frozenset({"instrument"}),
        1,
        False,
        said.Control,
        "Cancel or query a job, republish, renew the lease",
        "never: an instrument ignores a retained one",
    ),
    Channel(
        "campaign",
        "campaign/{cid}/state",
        "agent",
        None,
        _EVERYONE,
        1,
        True,
        CampaignState,
        "Where a campaign stands",
        "until the next one",
    ),
    Channel(
        "campaignSpace",
        "campaign/{cid}/space",
        "agent",
        None,
        _EVERYONE,
        1,
        True,
        CampaignSpace,
        "What a campaign looks for, and what it chooses from",
        "until the next one",
    ),
    Channel(
        "campaignModel",
        "campaign/{cid}/model",
        "agent",
        None,
        _EVERYONE,
        1,
        True,
        CampaignModel,
        "What the models have learned so far",
        "until the next one",
    ),
    Channel(
        "experiment",
        "experiment/{eid}",
        "agent",
        None,
        _EVERYONE,
        1,
        True,
        ExperimentState,
        "Where an experiment stands, step by step, and what it found",
        "the latest ones: the agent clears the oldest",
    ),
    Channel(
        "proposal",
        "proposal/{pid}",
        "agent",
        None,
        _EVERYONE,
        1,
        True,
        told.Proposal,
        "A design that waits for people's decision",
        "until it is closed: then an empty message clears it",
    ),
    Channel(
        "decision",
        "decision/{user}/{pid}",
        "person",
        "user",
        frozenset({"agent"}),
        1,
        False,
        Decision,
        "A person's signed decision about a proposal",
        "never: it counts once",
        signed=True,
    ),
    Channel(
        "request",
        "request/{user}/{rid}",
        "person",
        "user",
        frozenset({"agent"}),
        1,
        False,
        Request,
        "What a person asks for, signed; an agent's event with this id is the answer",
        "never: it counts once",
        signed=True,
    ),
    Channel(
        "question",
        "question/{user}/{qid}",
        "person",
        "user",
        frozenset({"agent"}),
        1,
        False,
        Question,
        "What a person's program asks; it changes nothing",
        "never: it is answered once",
    ),
    Channel(
        "answer",
        "answer/{user}/{qid}",
        "agent",
        None,
        _EVERYONE,
        1,
        False,
        Answer,
        "What an agent says to a question",
        "not: whoever missed it asks again",
        private=True,
    ),
    Channel(
        "outcome",
        "outcome/{pid}",
        "agent",
        None,
        _EVERYONE,
        1,
        True,
        told.Outcome,
        "What became of a proposal",
        "the latest ones: the agent clears the oldest",
    ),
    Channel(
        "agentStatus",
        "agent/{aid}/status",
        "agent",
        "aid",
        _INSTRUMENTS_TOO,
        1,
        True,
        said.Status,
        "An agent's presence, and its last will: instruments may go safe by it, and must by their lease",
        "until the next one",
        will=True,
    ),
    Channel(
        "agentLab",
        "agent/{aid}/lab",
        "agent",
        "aid",
        _EVERYONE,
        1,
        True,
        Laboratory,
        "How the laboratory stands as a whole: people, stop, maintenance, limits, record",
        "until the next one",
    ),
    Channel(
        "agentEvent",
        "agent/{aid}/event",
        "agent",
        "aid",
        _EVERYONE,
        1,
        False,
        told.AgentEvent,
        "Something that happened, for whoever watches",
        "not: the journal remembers",
    ),
)

CHANNELS: Mapping[str, Channel] = MappingProxyType({row.key: row for row in _ROWS})
"""All channels by their key."""
