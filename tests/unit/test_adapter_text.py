"""Templates, replies and one line to one instrument, without any hardware."""

import threading

import pytest
from fake_line import FakeJob, FakeLine, talk
from typing_extensions import override

from instruments.adapters.serial_checksum import suffix
from instruments.adapters.text_line import Conversation, LineFault, LineLostError, SilenceError, Told
from instruments.adapters.text_parameters import Alphabet, LineText
from instruments.adapters.text_reply import Reading, ReplySettings
from instruments.adapters.text_settings import IdentitySettings
from instruments.adapters.text_template import BLOCK_LIMIT, ReplyError, Template, block_extent, mean_of, read_number
from instruments.device import DeviceFault, JobCancelledError
from instruments.messages import Quantity

# Templates ------------------------------------------------------------------------------------------------------------


def test_a_template_puts_values_into_a_line() -> None:
    template = Template("VOLT {voltage:.3f},{n:04d} {mode} {plain} {{x}}")
    assert template.fields == ["voltage", "n", "mode", "plain"]
    line = template.fill({"voltage": 1.23456, "n": 6.7, "mode": "FAST", "plain": 0.1})
    assert line == "VOLT 1.235,0007 FAST 0.1 {x}"


def test_no_negative_zero_reaches_an_instrument() -> None:
    assert Template("V {v:.2f}").fill({"v": -0.0}) == "V 0.00"


@pytest.mark.parametrize("text", ["", "A\nB", "V {v.__class__}", "V {v[0]}", "V {}", "V {v!r}", "V {v:{w}}", "V {"])
def test_a_template_is_only_bare_names(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Template(text)


def test_a_filled_line_never_holds_a_line_end() -> None:
    with pytest.raises(ValueError, match="line end"):
        Template("DISP {text}").fill({"text": "a\rOUTP ON"})


# Replies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [("12", 12.0), (" +1.5E-03 ", 1.5e-3), (".5", 0.5), ("-7.", -7.0)])
def test_numbers_of_ieee_488_2(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_000", "0x10", "1,5", "9.9E37", "9.91E+37", "12 V"])
def test_what_is_no_reading_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ReplyError):
        read_number(text)


def test_a_reading_has_scale_unit_and_uncertainty() -> None:
    reading = Reading(unit="Cel", scale=0.1, offset=-5.0, std=0.3, std_of_value=0.04)
    assert reading.value("150") == Quantity(value=10.0, unit="Cel", std=0.5)  # sqrt(0.3² + 0.4²)
    assert Reading(unit="V").value("1.5") == Quantity(value=1.5, unit="V")


def test_words_are_translated_and_unknown_ones_refused() -> None:
    reading = Reading(words={"0": "off", "1": "on"})
    assert reading.value(" 1 ") == "on"
    with pytest.raises(ReplyError, match="0, 1"):
        reading.value("2")


def test_a_list_must_have_as_many_values_as_results() -> None:
    reply = ReplySettings(results={"voltage": Reading(unit="V"), "state": Reading()})
    assert reply.read("1.5, CC") == {"voltage": Quantity(value=1.5, unit="V"), "state": "CC"}
    with pytest.raises(ReplyError, match="2 values"):
        reply.read("1.5")


def test_named_groups_become_results() -> None:
    reply = ReplySettings(pattern=r"T=(?P<t>[\d.]+)", results={"t": Reading(unit="K")})
    assert reply.read("XX T=12.5K") == {"t": Quantity(value=12.5, unit="K")}
    with pytest.raises(ReplyError, match="was to be expected"):
        reply.read("ERR")


def test_the_mean_of_samples_has_the_uncertainty_of_the_mean() -> None:
    """The worked example of JCGM 100:2008, 4.4.3: twenty temperatures, mean 100.145 degrees, u = 0.333 degrees."""
    readings = [96.90, 98.18, 98.25, 98.61, 99.03, 99.49, 99.56, 99.74, 99.89, 100.07, 100.33, 100.42]
    readings += [100.68, 100.95, 101.11, 101.20, 101.57, 101.84, 102.36, 102.72]
    mean, std = mean_of(readings)
    assert mean == pytest.approx(100.145, abs=5e-4)
    assert std == pytest.approx(0.333, abs=5e-4)
    assert mean_of([1.0]) == (1.0, None)


def test_blocks_of_definite_length() -> None:
    assert block_extent(b"#42000xxxxx") == (6, 2000)
    assert block_extent(b"#15hello") == (3, 5)
    for bad in (b"", b"#", b"#0", b"hello", b"#3ab", b"#4\xb2\xb2\xb2\xb2", f"#9{BLOCK_LIMIT + 1:09d}".encode()):
        with pytest.raises(ReplyError):
            block_extent(bad)


def test_checksums_by_published_examples() -> None:
    # NMEA 0183's sentence of the usual example; Modbus ASCII's sum; the CRC catalogue's check value of CRC-16/MODBUS.
    assert suffix("xor", b"GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,") == b"47"
    assert suffix("lrc", bytes.fromhex("010300000001")) == b"FB"
    assert suffix("crc16", b"123456789") == b"4B37"
    assert suffix("sum8", b"\xff\x02") == b"01"
    assert suffix("none", b"x") == b""


# Text from orders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a\nOUTP ON", "a\rb", "a;OUTP ON", 'a"b', "a\u2028b", "a\x85b", "a\x00", "µ", "x" * 99]
)
def test_a_text_cannot_say_more_than_itself(text: str) -> None:
    fault = LineText(32, Alphabet(";\"'", "ascii")).check("label", text)
    assert fault is not None
    assert fault.code == "limits"


def test_the_description_says_which_texts_are_taken() -> None:
    from jsonschema import Draft202012Validator

    schema = LineText(32, Alphabet(';]^-\\"\r\n')).schema()
    validator = Draft202012Validator(schema)
    assert validator.is_valid("pellet 7_b")
    assert not [bad for bad in ("a;b", "a]b", "a^b", "a-b", "a\\b", 'a"b', "a\nb", "x" * 33) if validator.is_valid(bad)]


def test_a_harmless_text_passes() -> None:
    assert LineText(32, Alphabet(";", "ascii"), r"[\w -]+").check("label", "pellet 7-b") is None
    assert LineText(32, Alphabet(";", "latin-1")).check("label", "5 µm") is None
    assert LineText(32, pattern=r"\d+").check("label", "7a") is not None


# One line -------------------------------------------------------------------------------------------------------------


def test_a_query_is_asked_again_and_the_line_falls_silent_first() -> None:
    line = FakeLine(SilenceError("nothing"), "late answer", SilenceError("quiet"), "42")
    assert talk(line).ask("PV", read_number) == 42.0
    assert line.sent == ["PV", "PV"]


def test_a_reply_that_makes_no_sense_is_asked_for_again() -> None:
    line = FakeLine("4#2", SilenceError("quiet"), "42")
    assert talk(line).ask("PV", read_number) == 42.0


def test_a_query_gives_up_with_what_was_sent_and_what_came_back() -> None:
    line = FakeLine(respond=lambda _: "%%")
    with pytest.raises(LineFault, match=r"'PV', 3 times.*'%%'") as caught:
        talk(line).ask("PV", read_number)
    assert (caught.value.code, caught.value.kind, caught.value.lost) == ("bad_reply", "retryable", False)
    assert line.sent == ["PV"] * 3


def test_a_cancellation_does_not_wait_for_all_tries() -> None:
    line = FakeLine(respond=lambda _: SilenceError("nothing came"))
    with pytest.raises(JobCancelledError):
        talk(line).ask("PV", read_number, between=FakeJob(cancel_after=0).check)
    assert line.sent == ["PV"]


def test_a_long_reply_does_not_drown_the_message() -> None:
    assert len(str(ReplyError("a number was to be expected", "x" * 10_000))) < 300


def test_a_line_that_acts_is_never_sent_twice() -> None:
    line = FakeLine(respond=lambda _: SilenceError("nothing came"))
    with pytest.raises(LineFault, match="whether it was carried out is not known") as caught:
        talk(line).act("HEAT 1", expect="^OK$")
    assert (caught.value.code, caught.value.kind) == ("unconfirmed", "other")
    assert line.sent == ["HEAT 1"]


def test_a_refusal_names_both_sides() -> None:
    with pytest.raises(LineFault, match=r"'HEAT 1', answered by 'BUSY'"):
        talk(FakeLine("BUSY")).act("HEAT 1", expect="^OK$")


def test_after_a_failure_a_late_reply_is_not_taken_for_the_next_answer() -> None:
    """PV was answered too late: its reply comes when the identity is asked for, and is passed over."""
    line = FakeLine("I am 7", SilenceError("1"), "late 100", "I am 7", "200")
    conversation = talk(line, retries=0, identity=IdentitySettings(query="ID", pattern="^I am"))
    with pytest.raises(LineFault, match="sent 'PV'"):
        conversation.query("PV")
    assert conversation.query("SP") == "200"
    assert line.sent == ["ID", "PV", "ID", "SP"]


def test_the_wrong_instrument_is_told_nothing() -> None:
    with pytest.raises(LineFault, match="wrong instrument") as caught:
        talk(FakeLine(respond=lambda _: "toaster"), identity=IdentitySettings(query="ID", pattern="^furnace"))
    assert caught.value.lost


def test_a_late_reply_is_not_taken_for_the_wrong_instrument() -> None:
    line = FakeLine("OK", "furnace 7")
    assert talk(line, identity=IdentitySettings(query="ID", pattern="^furnace")).name == "furnace 7"


def test_making_safe_is_insisted_on() -> None:
    line = FakeLine(SilenceError("1"), "100", "OK")
    talk(line).insist("HEAT 0", expect="^OK$")
    assert line.sent == ["HEAT 0", "HEAT 0"]


def test_making_safe_outlasts_an_echo_that_is_garbled_or_missing() -> None:
    troubles = [SilenceError("nothing came back"), ReplyError("'HEAT 0' was to be repeated", "HE\x80T 0")]

    def respond(text: str) -> str | Exception:
        if text == "HEAT 0" and troubles:
            raise troubles.pop()  # as a line with an echo does while it writes
        return "OK"

    line = FakeLine(respond=respond)
    talk(line).insist("HEAT 0")
    assert line.sent == ["HEAT 0"] * 3

    troubles = [SilenceError("nothing came back")] * 3
    with pytest.raises(LineFault, match="nothing came back") as caught:
        talk(line).insist("HEAT 0")
    assert caught.value.code == "unconfirmed"


def test_an_echo_that_is_missing_while_both_get_back_in_step_is_no_mistake_of_the_driver() -> None:
    identity = IdentitySettings(query="ID?", pattern="Oven")
    silent = False

    def respond(text: str) -> str | Exception:
        if silent:
            raise SilenceError("nothing came back")
        return "Oven" if text == "ID?" else SilenceError("nothing came back")

    conversation = talk(FakeLine(respond=respond), identity=identity)
    with pytest.raises(LineFault, match=r"no_answer|sent"):
        conversation.query("PV?")
    silent = True
    with pytest.raises(LineFault, match="ID") as caught:
        conversation.act("HEAT 1")
    assert (caught.value.code, caught.value.kind) == ("no_answer", "retryable")


def test_a_lost_line_is_opened_again_to_make_safe() -> None:
    class Cut(FakeLine):
        @override
        def write(self, text: str) -> None:
            if self.opened == 1:
                raise LineLostError("unplugged")
            super().write(text)

    line = Cut()
    talk(line).insist("OUTP OFF")
    assert (line.opened, line.sent) == (2, ["OUTP OFF"])


def test_an_alarm_fails_whatever_was_asked() -> None:
    told = Told("^ALARM 3", "thermocouple_broken", "infeasible", "broken")
    conversation = Conversation(FakeLine("ALARM 3"), timeout_s=0.1, retries=2, faults=(told,))
    conversation.open()
    with pytest.raises(DeviceFault, match="broken: sent 'PV'") as caught:
        conversation.query("PV")
    assert (caught.value.code, caught.value.kind) == ("thermocouple_broken", "infeasible")


def test_two_threads_never_speak_at_once() -> None:
    class Strict(FakeLine):
        busy = 0
        worst = 0

        @override
        def write(self, text: str) -> None:
            self.busy += 1
            self.worst = max(self.worst, self.busy)
            self.pending = f"re {text}"

        @override
        def read(self, timeout_s: float) -> str:
            threading.Event().wait(0.0002)
            self.busy -= 1
            return str(self.pending)

    line = Strict()
    conversation = talk(line)
    wrong: list[str] = []

    def ask(name: str) -> None:
        wrong.extend(name for _ in range(50) if conversation.query(name) != f"re {name}")

    threads = [threading.Thread(target=ask, args=(f"Q{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, line.worst) == ([], 1)
