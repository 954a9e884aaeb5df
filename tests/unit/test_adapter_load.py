"""An adapter's file: what is wrong in it is named with file, key, value and what is allowed."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from envs.errors import ConfigError, MissingExtraError
from instruments.adapters import load
from instruments.adapters.load import ADAPTERS, read_adapter
from instruments.adapters.scpi import Settings as ScpiSettings
from instruments.local import LocalBus

DOCS = Path(__file__).parents[2] / "instruments" / "starters"
SUPPLY = """
adapter = "scpi"
iid = "supply-1"
kind = "power-supply"
resource = "TCPIP::192.0.2.10::INSTR"

[error_queue]

[safe_state]
summary = "output off"
writes = ["OUTP OFF"]

[channels.voltage]
query = "MEAS:VOLT?"
unit = "V"
period_s = 5.0

[commands.apply]
summary = "Set the voltage"

[commands.apply.parameters.voltage]
unit = "V"
low = 0
high = 30

[commands.apply.parameters.mode]
choice = { fast = "FAST", slow = "SLOW" }
default = "fast"

[commands.apply.parameters.hold]
unit = "min"
low = 0
high = 30
default = 0.5

[[commands.apply.steps]]
write = "VOLT {voltage:.3f},{mode}"

[[commands.apply.steps]]
wait = "MEAS:VOLT?"
reading = { unit = "mV", scale = 1000.0 }
at_least = "voltage"
timeout_s = 10.0

[[commands.apply.steps]]
delay = "hold"

[[commands.apply.steps]]
query = "MEAS:VOLT?"
results = { voltage = { unit = "V" } }
"""

Edit = Callable[[str, str], Path]


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    def write(old: str, new: str) -> Path:
        assert old in SUPPLY
        path = tmp_path / "supply.toml"
        path.write_text(SUPPLY.replace(old, new, 1))
        return path

    return write


def test_a_good_file_says_which_adapter_and_which_instrument(edited: Edit) -> None:
    file = read_adapter(edited("30", "30.0"))
    assert (file.adapter, file.iid) == ("scpi", "supply-1")
    assert isinstance(file.settings, ScpiSettings)
    assert file.settings.kind == "power-supply"


@pytest.mark.parametrize("name", ["scpi.toml", "serial.toml"])
def test_the_examples_are_good_and_say_how_to_try_them(name: str) -> None:
    file = read_adapter(DOCS / name)
    assert isinstance(file.settings, BaseModel)
    commands = file.settings.model_dump()["commands"].values()
    assert any(command["example"] is not None for command in commands)


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ('adapter = "scpi"', 'adapter = "scip"', "adapter", "folder, scpi, serial, sdl-demo (did you mean 'scpi'?)"),
        ('adapter = "scpi"', "", "adapter", "one of"),
        ('iid = "supply-1"', 'iid = "supply/1"', "iid", "a name of at most 64"),
        ('kind = "power-supply"', "", "kind", "required"),
        ("resource =", "resurce =", "resource", "required"),
        ('"TCPIP::192.0.2.10::INSTR"', '"192.0.2.10"', "resource", "a text that matches"),
        ('kind = "power-supply"', 'kind = "a"\ntimeout_s = true', "timeout_s", "a number"),
        ('kind = "power-supply"', 'kind = "a"\ntimeout_s = 0', "timeout_s", "greater than 0"),
        ('kind = "power-supply"', 'kind = "a"\nencoding = "ebcdic-7"', "encoding", "a name of an encoding"),
        (
            'kind = "power-supply"',
            'kind = "a"\nlease_s = 60\nacknowledge = "("',
            "acknowledge",
            "no regular expression",
        ),
        ('unit = "V"\nperiod', 'unit = "volt"\nperiod', "channels.voltage.unit", "no UCUM unit"),
        ("period_s = 5.0", "period_s = -1", "channels.voltage.period_s", "greater than 0"),
        ('"MEAS:VOLT?"\nunit', '"MEAS:VOLT?\\nOUTP 1"\nunit', "channels.voltage.query", "no line end"),
        ('"MEAS:VOLT?"\nunit', '"MEAS {x}?"\nunit', "channels.voltage.query", "no fields here"),
        ("period_s = 5.0", "period_s = 5.0\npattern = 'V=.*'", "channels.voltage.pattern", "with a group"),
        ("period_s = 5.0", "period_s = 5.0\nlease_s = 60", "channels.voltage.lease_s", "above the first [table]"),
        ("period_s = 5.0", "period_s = 5.0\nscale = 0", "channels.voltage.scale", "would lose the number"),
        ('writes = ["OUTP OFF"]', "writes = []", "safe_state.writes", "at least one entry"),
        ('writes = ["OUTP OFF"]', 'writes = ["OUTP\\rOFF"]', "safe_state.writes.0", "no line end"),
        ('writes = ["OUTP OFF"]', 'writes = ["OUTP µ"]', "safe_state.writes.0", "letters of the encoding ascii"),
        ('writes = ["OUTP OFF"]', 'writes = ["A"]\nverify = "B?"', "safe_state.expect", "both of verify and expect"),
        ('delay = "hold"', "delay = 1.0", "commands.apply.parameters.hold", "a step uses, as {hold}"),
        ('kind = "power-supply"', 'kind = "a"\nreconnect_s = 90', "reconnect_s", "at most reconnect_max_s"),
        ("high = 30", "high = -1", "commands.apply.parameters.voltage", "ordered"),
        ("high = 30", 'high = "x"', "commands.apply.parameters.voltage.high", "a number"),
        ("high = 30", "hihg = 30", "commands.apply.parameters.voltage.high", "required"),
        ("high = 30", "high = 30\ndefault = 31", "commands.apply.parameters.voltage", "outside"),
        ('default = "fast"', 'default = "soon"', "commands.apply.parameters.mode", "not one of fast, slow"),
        ('slow = "SLOW"', 'slow = "A\\nB"', "commands.apply.parameters.mode", "no line end"),
        ("{voltage:.3f}", "{volt:.3f}", "commands.apply.steps.0.write", "not {volt}"),
        ("{voltage:.3f}", "{voltage:q}", "commands.apply.steps.0.write", "format code"),
        ("{voltage:.3f}", "{voltage.real}", "commands.apply.steps.0.write", "bare name"),
        ("{mode}", "{mode:.2f}", "commands.apply.steps.0.write", "format code"),
        ("write =", "wirte =", "commands.apply.steps.0", "one of write, query, wait"),
        ('{mode}"', '{mode}"\nexpekt = "OK"', "commands.apply.steps.0.expekt", "(did you mean 'expect'?)"),
        ('at_least = "voltage"', "", "commands.apply.steps.1", "exactly one of at_least"),
        ('at_least = "voltage"', 'at_least = "mode"', "commands.apply.steps.1.at_least", "voltage, hold"),
        ('unit = "mV"', 'unit = "mA"', "commands.apply.steps.1.at_least", "do not measure the same"),
        ("timeout_s = 10.0", "timeout_s = 0.5", "commands.apply.steps.1.every_s", "at most timeout_s"),
        ('delay = "hold"', 'delay = "voltage"', "commands.apply.steps.2.delay", "do not measure the same"),
        (
            'delay = "hold"',
            'delay = "hold"\n[[commands.apply.steps]]\ncheck = false',
            "commands.apply.steps.3.check",
            "True",
        ),
        ("[error_queue]", "", None, ""),
        ("{ voltage = {", "{ 'v!' = {", "commands.apply.steps.3.results.v!", "a text that matches"),
        ('summary = "Set', 'on_failure = "explode"\nsummary = "Set', "commands.apply.on_failure", "'safe' or 'leave'"),
        ('summary = "Set', 'example = { voltage = 99 }\nsummary = "Set', "commands.apply.example", "outside 0 to 30"),
        ('summary = "Set', 'example = { volts = 1 }\nsummary = "Set', "commands.apply.example", "unknown"),
        ("results = {", 'pattern = "V=(.*)"\nresults = {', "commands.apply.steps.3.pattern", "a named group"),
        ("results = {", "samples = true\nresults = { a = {}, ", "commands.apply.steps.3.samples", "exactly one result"),
    ],
)
def test_what_is_wrong_is_named(edited: Edit, old: str, new: str, key: str | None, allowed: str) -> None:
    path = edited(old, new)
    if key is None:
        read_adapter(path)
        return
    with pytest.raises(ConfigError) as caught:
        read_adapter(path)
    assert (caught.value.key, caught.value.source) == (key, str(path)), str(caught.value)
    assert allowed in caught.value.allowed, str(caught.value)


def test_a_check_needs_a_queue(edited: Edit) -> None:
    path = edited("[error_queue]\n", "")
    path.write_text(path.read_text() + "[[commands.apply.steps]]\ncheck = true\n")
    with pytest.raises(ConfigError, match=r"steps\.4\.check.*\[error_queue\]"):
        read_adapter(path)


def test_a_lease_needs_a_safe_state(edited: Edit) -> None:
    path = edited('[safe_state]\nsummary = "output off"\nwrites = ["OUTP OFF"]\n', "")
    path.write_text(path.read_text().replace('kind = "power-supply"', 'kind = "a"\nlease_s = 60'))
    with pytest.raises(ConfigError, match=r"lease_s = 60"):
        read_adapter(path)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_adapter(tmp_path / "missing.toml")
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="valid TOML"):
        read_adapter(bad)
    bad.write_text("adapter = ")
    with pytest.raises(ConfigError, match="valid TOML"):
        read_adapter(bad)


def test_a_simulated_instrument_lies_beside_the_file(edited: Edit) -> None:
    path = edited('kind = "power-supply"', 'kind = "a"\nvisa_library = "sim.yaml@sim"')
    settings = read_adapter(path).settings
    assert isinstance(settings, ScpiSettings)
    assert settings.visa_library == f"{path.parent}/sim.yaml@sim"


def test_a_missing_extra_is_named(edited: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyvisa" else SimpleNamespace())
    with pytest.raises(MissingExtraError, match=r"labwright\[visa\]"):
        read_adapter(edited("30", "30.0")).build(LocalBus().transport())


def test_every_adapter_is_there() -> None:
    for module in ADAPTERS.values():
        assert (Path(load.__file__).parents[2] / (module.replace(".", "/") + ".py")).is_file(), module


def test_reading_a_file_imports_no_other_adapter_and_no_extra() -> None:
    code = (
        "import sys; from pathlib import Path; from instruments.adapters.load import read_adapter;"
        f"read_adapter(Path({str(DOCS / 'serial.toml')!r}));"
        "print(sorted(m for m in sys.modules if m in {'pyvisa', 'serial', 'PIL', 'instruments.adapters.folder',"
        " 'instruments.adapters.scpi'}))"
    )
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_file_above_is_toml() -> None:
    assert tomllib.loads(SUPPLY)["adapter"] == "scpi"


SECRET = "secretpw"  # noqa: S105 - what must never be shown


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (f'broker = "mqtt://x:{SECRET}@127.0.0.1"', "broker"),
        (f'broker = "MQTTS://x:{SECRET}/@host"', "broker"),
        (f'borker = "mqtt://x:{SECRET}@127.0.0.1"', "borker"),
        (f'broker = ["mqtt://x:{SECRET}@127.0.0.1"]', "broker"),
        (f'password = "{SECRET}"', "password"),
        (f'broker = {{ url = "mqtt://x:{SECRET}@127.0.0.1" }}', "broker"),
        (f'[access]\npassword = "{SECRET}"', "access"),
    ],
)
def test_a_password_in_a_file_is_named_by_its_key_and_never_shown(tmp_path: Path, line: str, key: str) -> None:
    path = tmp_path / "rgb.toml"
    path.write_text(f'adapter = "sdl-demo"\niid = "rgb"\npico_id = "test"\n{line}\n')
    with pytest.raises(ConfigError) as caught:
        read_adapter(path)
    assert caught.value.key == key
    assert SECRET not in str(caught.value)
    assert "pico_id = " not in str(caught.value)


def test_a_fault_of_a_whole_table_names_what_is_in_it_and_dumps_no_values(tmp_path: Path) -> None:
    class Whole(BaseModel):
        first: str

        @model_validator(mode="after")
        def _never(self) -> Self:
            raise ValueError("something else")

    with pytest.raises(ValidationError) as wrong:
        Whole.model_validate({"first": SECRET})
    told = load._explain(wrong.value, Whole, {"first": SECRET}, "a.toml")
    assert str(told) == "a.toml: the file = a table with first is not valid; allowed: something else"
