"""What an instrument behind VISA that is not there says: one line, without the backend's tracebacks."""

import logging
from pathlib import Path

import pytest

from envs.errors import ConfigError
from instruments.adapters.load import read_adapter
from instruments.adapters.scpi import Settings, _said
from instruments.local import LocalBus

SUPPLY = (Path(__file__).parents[2] / "instruments" / "starters" / "scpi.toml").read_text()


def test_a_simulated_instrument_that_is_not_there_is_one_short_line(tmp_path: Path) -> None:
    pytest.importorskip("pyvisa_sim", reason="pyvisa-sim is not installed")
    path = tmp_path / "supply.toml"
    path.write_text(SUPPLY.replace("scpi-sim.yaml@sim", "nofile.yaml@sim"))
    with pytest.raises(ConfigError, match=r"visa_library = .*nofile.yaml is not") as caught:
        read_adapter(path).build(LocalBus().transport())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Exception"),
        ("no\nanswer", "no answer"),
        (
            "Could not parse. 'Traceback (most recent call last):\\n  File \"a.py\", line 1\\nOSError: no file\\n'",
            "OSError: no file",
        ),
    ],
)
def test_what_a_backend_raises_is_one_line(text: str, said: str) -> None:
    assert _said(Exception(text)) == said


def test_the_backends_own_logs_of_an_instrument_that_is_away_are_silent(tmp_path: Path) -> None:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    path = tmp_path / "supply.toml"
    path.write_text(SUPPLY.replace("scpi-sim.yaml@sim", "@py"))
    described = read_adapter(path)
    assert isinstance(described.settings, Settings)
    before = logging.getLogger("pyvisa").level
    try:
        with pytest.raises(TypeError):  # of the base that is missing: what matters has happened before
            described.build(LocalBus().transport())
        assert not logging.getLogger("pyvisa").isEnabledFor(logging.ERROR)
    finally:
        logging.getLogger("pyvisa").setLevel(before)
