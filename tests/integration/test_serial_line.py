"""A serial line alone: framing, checksums, echo, blocks, and what happens when it is lost."""

import re
import socketserver
import threading
from typing import Any

import pytest
from typing_extensions import override

from instruments.adapters.serial_line import SerialLine, Settings
from instruments.adapters.text_line import LineLostError, SilenceError
from instruments.adapters.text_template import ReplyError

pytest.importorskip("serial", reason="pyserial is not installed")


def line(**fields: Any) -> SerialLine:
    go = {"summary": "Go", "steps": [{"write": "GO"}]}
    whole = {"kind": "test", "port": "loop://", "timeout_s": 0.05, "commands": {"go": go}, **fields}
    return SerialLine(Settings.model_validate(whole), pause=lambda _: None)


def test_a_loop_gives_back_what_was_sent() -> None:
    loop = line()
    loop.open()
    loop.write("12.5")
    assert loop.read(0.05) == "12.5"
    with pytest.raises(SilenceError, match=r"0\.05 s"):
        loop.read(0.05)
    loop.close()
    loop.close()
    with pytest.raises(LineLostError, match="not open"):
        loop.write("x")


@pytest.mark.parametrize("kind", ["xor", "sum8", "lrc", "crc16"])
def test_checksums_are_put_behind_lines_and_taken_off(kind: str) -> None:
    loop = line(checksum=kind, checksum_mark="*", checksum_skip=1)
    loop.open()
    loop.write("$SP,100")
    assert re.fullmatch(rb"\$SP,100\*[0-9A-F]{2,4}\r\n", loop._port.read(loop._port.in_waiting))
    loop.write("$SP,100")
    assert loop.read(0.05) == "$SP,100"
    loop._port.write(b"$SP,100*00\r\n")
    with pytest.raises(ReplyError, match="checksum is wrong"):
        loop.read(0.05)
    loop.close()


def test_an_echo_is_taken_off_and_must_be_exact() -> None:
    loop = line(echo=True)
    loop.open()
    loop.write("SP 100")
    with pytest.raises(SilenceError):
        loop.read(0.01)
    loop._port.write(b"noise")
    with pytest.raises(ReplyError, match="was to be repeated"):
        loop.write("SP 100")
    loop.close()


def test_blocks_hold_any_byte_and_noise_is_no_block() -> None:
    loop = line()
    loop.open()
    data = bytes(range(256)) * 2
    loop._port.write_timeout = None
    loop._port.write(b"#3512" + data + b"\r\n")
    assert loop.read_block(0.05) == data
    loop._port.write(b"ERROR\r\n")
    with pytest.raises(ReplyError, match="definite length"):
        loop.read_block(0.05)
    loop.flush()
    loop._port.write(b"\xb5\r\n")
    with pytest.raises(ReplyError, match="ascii"):
        loop.read(0.05)
    loop.close()


def test_a_terminal_server_is_spoken_to_and_its_loss_is_noticed() -> None:
    class Handler(socketserver.StreamRequestHandler):
        @override
        def handle(self) -> None:
            for raw in self.rfile:
                if raw == b"BYE\r\n":
                    return
                self.wfile.write(b"re " + raw)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        remote = line(port=f"socket://127.0.0.1:{server.server_address[1]}", timeout_s=1.0)
        remote.open()
        for i in range(5):
            remote.write(f"Q{i}")
            assert remote.read(1.0) == f"re Q{i}"
        remote.write("BYE")
        with pytest.raises(LineLostError, match="socket disconnected"):
            remote.read(1.0)
        remote.close()
        server.shutdown()
        thread.join()


def test_line_ends_of_another_kind_do_no_harm() -> None:
    loop = line(read_termination="\r")
    loop.open()
    loop._port.write(b"1\r\n2\r\n")
    assert (loop.read(0.05), loop.read(0.05)) == ("1", "2")
    loop.close()


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(LineLostError, match="/dev/ttyNONE"):
        line(port="/dev/ttyNONE").open()
