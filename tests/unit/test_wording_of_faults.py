"""What a person reads about a message that is wrong: where it is wrong and how, and nothing about Python."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from agent.instrument_check import read_parameters
from envs.errors import UserError
from instruments.errors import NoAnswerError
from instruments.messages import Command, Control, MalformedMessageError, Payload, Result
from instruments.profile.legibility import faults_of


class Plan(BaseModel):
    steps: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    names: Annotated[list[str], Field(max_length=1)] = []
    word: Annotated[str, Field(min_length=1)] = "a"


@pytest.mark.parametrize(
    ("model", "payload", "said"),
    [
        (Command, b'{"a', "not a valid Command: Invalid JSON: EOF"),
        (Control, b'{"op": "cancel"}', "not a valid Control: cancel needs a job"),
        (Result, b'{"values": 3}', "not a valid Result: values: it should be an object"),
        (Control, b'{"op": "lease", "lease_s": -1}', "not a valid Control: lease_s: it should be greater than 0"),
    ],
)
def test_a_message_is_told_where_it_is_wrong_and_how(model: type[Payload], payload: bytes, said: str) -> None:
    with pytest.raises(MalformedMessageError) as told:
        model.parse(payload)
    assert str(told.value).startswith(said)


def test_what_is_too_short_or_too_long_has_no_type_of_python() -> None:
    with pytest.raises(ValidationError) as found:
        Plan.model_validate({"steps": [], "names": ["a", "b"], "word": ""})
    assert faults_of(found.value) == (
        "steps: it should have at least 1 item, not 0; names: it should have at most 1 item, not 2; "
        "word: it should have at least 1 character"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "--parameters: it should be a valid object"),
        ('{"load": {"value": "x", "unit": "N"}}', "--parameters: load.value: it should be a valid number"),
    ],
)
def test_parameters_on_the_command_line_are_told_likewise(text: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        read_parameters(text)
    assert str(told.value).startswith(f"{said}; write quantities as ")


def test_silence_about_no_job_names_none() -> None:
    assert str(NoAnswerError("nix", "", "not on the bus")) == "nix: not on the bus"
    assert str(NoAnswerError("nix", "j1", "no answer")) == "nix, job j1: no answer"
