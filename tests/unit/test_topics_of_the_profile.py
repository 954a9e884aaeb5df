"""Every topic of the profile's table: built, read back, subscribed to, and refused when it is another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.identity import check_name
from envs.errors import UserError
from instruments.errors import TopicError
from instruments.messages import Command, Control, Description, JobState, Status, Telemetry
from instruments.profile.agent_messages import AgentEvent, Outcome, Proposal
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.channels import PARAMETERS
from instruments.profile.decisions import Decision
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.laboratory import Laboratory
from instruments.profile.model_messages import CampaignModel, CampaignSpace
from instruments.profile.questions import Answer, Question
from instruments.profile.requests import Request
from instruments.topics import (
    CHANNELS,
    AgentTopic,
    AnswerTopic,
    CampaignTopic,
    DecisionTopic,
    ExperimentTopic,
    InstrumentTopic,
    Lab,
    OutcomeTopic,
    ProposalTopic,
    QuestionTopic,
    RequestTopic,
    Topic,
    check_pattern,
    matches,
)

LAB = Lab("labwright", "demo")
HEAD = "labwright/v1/demo/"
names = st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True)
people = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.\-]{0,62}[A-Za-z0-9])?", fullmatch=True)
labs = st.builds(Lab, names, names)
topics: st.SearchStrategy[Topic] = st.one_of(
    st.builds(InstrumentTopic, labs, names, st.sampled_from(["desc", "status", "ctl"])),
    st.builds(InstrumentTopic, labs, names, st.sampled_from(["telemetry", "cmd", "job"]), names),
    st.builds(CampaignTopic, labs, names, st.sampled_from(["state", "space", "model"])),
    st.builds(ExperimentTopic, labs, names),
    st.builds(QuestionTopic, labs, people, names),
    st.builds(AnswerTopic, labs, people, names),
    st.builds(ProposalTopic, labs, names),
    st.builds(DecisionTopic, labs, people, names),
    st.builds(RequestTopic, labs, people, names),
    st.builds(OutcomeTopic, labs, names),
    st.builds(AgentTopic, labs, names, st.sampled_from(["status", "event", "lab"])),
)


@given(topics)
def test_every_topic_reads_back_as_what_it_was(topic: Topic) -> None:
    assert topic.lab.read(str(topic)) == topic
    assert matches(check_pattern(topic.lab.pattern(topic.row.key)), str(topic))
    assert topic.lab.pattern(topic.row.key, **topic.levels) == str(topic)
    assert matches(topic.lab.everything, str(topic))


@given(topics)
def test_a_topic_falls_under_the_pattern_of_its_own_channel_alone(topic: Topic) -> None:
    under = [key for key in CHANNELS if matches(topic.lab.pattern(key), str(topic))]
    assert under == [topic.row.key]


@given(st.text(max_size=60) | st.lists(names, max_size=6).map("/".join))
def test_whatever_is_read_is_a_topic_or_a_topic_error(tail: str) -> None:
    try:
        topic = LAB.read(HEAD + tail)
    except TopicError:
        return
    assert str(topic) == HEAD + tail


# Transcribed from the profile: topic, writer, QoS, retained, message.
TABLE = [
    (LAB.desc("f"), "instrument/f/desc", "instrument", 1, True, Description),
    (LAB.status("f"), "instrument/f/status", "instrument", 1, True, Status),
    (LAB.telemetry("f", "t"), "instrument/f/telemetry/t", "instrument", 0, False, Telemetry),
    (LAB.command("f", "j"), "instrument/f/cmd/j", "agent", 1, False, Command),
    (LAB.job("f", "j"), "instrument/f/job/j", "instrument", 1, True, JobState),
    (LAB.control("f"), "instrument/f/ctl", "agent", 1, False, Control),
    (LAB.campaign_state("c"), "campaign/c/state", "agent", 1, True, CampaignState),
    (LAB.proposal("p"), "proposal/p", "agent", 1, True, Proposal),
    (LAB.decision("anna", "p"), "decision/anna/p", "person", 1, False, Decision),
    (LAB.request("anna", "r"), "request/anna/r", "person", 1, False, Request),
    (LAB.outcome("p"), "outcome/p", "agent", 1, True, Outcome),
    (LAB.agent_status("a"), "agent/a/status", "agent", 1, True, Status),
    (LAB.agent_event("a"), "agent/a/event", "agent", 1, False, AgentEvent),
    (LAB.campaign_space("c"), "campaign/c/space", "agent", 1, True, CampaignSpace),
    (LAB.campaign_model("c"), "campaign/c/model", "agent", 1, True, CampaignModel),
    (LAB.experiment("e"), "experiment/e", "agent", 1, True, ExperimentState),
    (LAB.question("anna", "q"), "question/anna/q", "person", 1, False, Question),
    (LAB.answer("anna", "q"), "answer/anna/q", "agent", 1, False, Answer),
    (LAB.agent_lab("a"), "agent/a/lab", "agent", 1, True, Laboratory),
]


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line[1])
def test_the_table_in_code_is_the_profiles(line: tuple[str, str, str, int, bool, type]) -> None:
    topic, address, writer, qos, retain, message = line
    assert topic == HEAD + address
    row = LAB.read(topic).row
    assert (row.writer, row.qos, row.retain, row.message) == (writer, qos, retain, message)


def test_the_table_is_whole_and_consistent() -> None:
    assert len(CHANNELS) == len(TABLE) == len({row.address for row in CHANNELS.values()})
    for row in CHANNELS.values():
        assert set(row.parameters) <= set(PARAMETERS)
        assert row.identity is None or row.identity in row.parameters
        assert row.writer == "agent" or row.identity is not None, "only agents write where no level names them"
        assert row.signed <= (row.writer == "person")
        assert row.signed or row.writer != "person" or row.key == "question", "unsigned words change nothing"
        assert row.readers
        assert not row.will or row.retain, "a last will that is not retained is missed by whoever comes later"


def test_patterns_hold_fast_what_is_given() -> None:
    assert LAB.pattern("decision") == "labwright/v1/demo/decision/+/+"
    assert LAB.pattern("decision", user="anna") == "labwright/v1/demo/decision/anna/+"
    assert LAB.pattern("cmd", iid="f") == LAB.commands_of("f")
    assert LAB.pattern("job") == LAB.every("job")


@pytest.mark.parametrize("levels", [{"user": "#"}, {"user": "a/b"}, {"iid": "f"}, {"user": ""}])
def test_patterns_refuse_levels_that_are_none(levels: dict[str, str]) -> None:
    with pytest.raises(TopicError):
        LAB.pattern("decision", **levels)


def test_an_unknown_channel_is_named_with_the_known_ones() -> None:
    with pytest.raises(TopicError, match="no channel 'dance': one of desc"):
        LAB.pattern("dance")


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "campaign/c",
        "campaign/c/stat",
        "campaign/c/state/x",
        "proposal",
        "proposal/p/q",
        "proposal/+",
        "proposal/",
        "decision/p",
        "decision/-anna/p",
        "decision/anna./p",
        "decision/anna/p/q",
        "request/r",
        "request/-anna/r",
        "request/anna/r/s",
        "outcome/ü",
        "agent/a/cmd",
        "agent//status",
        "agent/" + "x" * 65 + "/status",
        "people/anna",
        "#",
    ],
)
def test_what_is_not_of_the_profile_is_refused(tail: str) -> None:
    with pytest.raises(TopicError):
        LAB.read(HEAD + tail)


@pytest.mark.parametrize("topic", ["labwright/v2/demo/proposal/p", "labwright/v1/other/proposal/p", "x" + HEAD, HEAD])
def test_other_laboratories_and_versions_are_refused(topic: str) -> None:
    with pytest.raises(TopicError, match="not a topic below"):
        LAB.read(topic)


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "-anna", "anna.", "ann a", "anna\n"])
def test_names_that_are_no_persons_name_are_refused(name: str) -> None:
    with pytest.raises(TopicError):
        LAB.decision(name, "p")


@given(names)
def test_whoever_can_have_an_identity_can_decide_and_nobody_else(name: str) -> None:
    try:
        check_name(name)
    except UserError:
        with pytest.raises(TopicError):
            LAB.decision(name, "p")
    else:
        assert LAB.decision(name, "p") == f"{HEAD}decision/{name}/p"


def test_addresses_of_two_forms_are_never_the_same() -> None:
    lab = Lab("labwright", "hall-3")
    pairs = [(ProposalTopic(lab, "p-1"), OutcomeTopic(lab, "p-1")),
             (QuestionTopic(lab, "anna", "q-1"), AnswerTopic(lab, "anna", "q-1"))]  # fmt: skip
    for one, other in pairs:
        assert one != other
        assert str(one) != str(other)
        assert (lab.read(str(one)), lab.read(str(other))) == (one, other)
