"""Notices by e-mail, with a real SMTP server on loopback: encrypted, addressed to whom it concerns, in plain words."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from dashboard_samples import NOW, sample_laboratory, sample_picture
from mail_room import HOST, MailRoom, mail_room

from agent.dashboard.notices.bulletin import Notice
from agent.dashboard.notices.email import Mailbox, mailboxes
from agent.dashboard.notices.outlet import NotSentError, Secrets
from agent.dashboard.notices.settings import ALL, parse_notify
from agent.dashboard.notices.waiting import Item, waiting_in
from agent.roles import Role
from instruments.clock import SimClock

SECRET = "hunter2"  # noqa: S105
LINK = "https://lab.example.org/dashboard"


def boxes(room: MailRoom, **email: Any) -> list[Mailbox]:
    table = {"host": HOST, "port": room.port, "from": "lab@example.org", "to": ["ana@example.org"], "security": "none"}
    settings = parse_notify({"link": LINK, "email": {**table, "timeout_s": 5.0, **email}})
    return mailboxes(settings, Secrets(SECRET), SimClock(NOW))


def notice(*items: Item) -> Notice:
    return Notice("hall-3", items or waiting_in(sample_picture(), ALL))


def send(box: Mailbox, what: Notice | None = None) -> None:
    asyncio.run(box.send(what or notice(), NOW))


def test_a_message_says_how_much_waits_where_and_until_when() -> None:
    with mail_room() as room:
        send(boxes(room)[0])

    (to, mail) = room.got[0]
    text = mail.get_body(("plain",))
    assert text is not None
    said = text.get_content()
    assert to == ["ana@example.org"]
    assert mail["subject"] == "hall-3: 3 proposals wait for a person"
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["date"].datetime == NOW
    assert f"{LINK}/proposals/hard-P001" in said
    assert "Until 2026-06-01 14:23 UTC (in 2\N{NO-BREAK SPACE}h 23\N{NO-BREAK SPACE}min)" in said
    assert "GPa expected" in said


def test_the_html_part_escapes_what_others_wrote() -> None:
    evil = Item("stop", "hall-3", "m", "<img src=x onerror=alert(1)>", "a & b", "/", frozenset({Role.SAFETY}))
    with mail_room() as room:
        send(boxes(room)[0], notice(evil))

    html = room.got[0][1].get_body(("html",))
    assert html is not None
    body = html.get_content()
    assert "&lt;img src=x" in body
    assert "<img" not in body
    assert "a &amp; b" in body


def test_a_title_of_others_begins_no_header() -> None:
    evil = Item("stop", "hall-3", "m", "x\r\nBcc: eve@example.org", "", "/", frozenset({Role.SAFETY}))
    with mail_room() as room:
        send(boxes(room)[0], Notice("hall-3\r\nBcc: eve@example.org", (evil,)))

    assert room.got[0][1]["bcc"] is None
    assert room.got[0][0] == ["ana@example.org"]


def test_starttls_encrypts_before_anybody_logs_in(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with mail_room(certificate=certificate, user="lab", password=SECRET) as room:
        send(boxes(room, security="starttls", user="lab", ca=str(certificate[0]))[0])

    assert room.logins == [("lab", True)]
    assert len(room.got) == 1


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with mail_room(certificate=certificate, tls=True) as room:
        send(boxes(room, security="tls", ca=str(certificate[0]))[0])

    assert len(room.got) == 1


def test_nothing_is_sent_where_starttls_is_not_offered_or_the_certificate_is_another(tmp_path: Path) -> None:
    with mail_room() as room, pytest.raises(NotSentError, match="no STARTTLS"):
        send(boxes(room, security="starttls")[0])
    assert room.got == []
    with mail_room(certificate=self_signed(tmp_path)) as room, pytest.raises(NotSentError, match="certificate"):
        send(boxes(room, security="starttls")[0])
    assert room.got == []


def test_a_wrong_password_is_said_and_not_repeated() -> None:
    with mail_room(user="lab", password="another") as room, pytest.raises(NotSentError) as caught:  # noqa: S106
        send(boxes(room, user="lab")[0])

    assert "does not let lab in" in str(caught.value)
    assert "535" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_refused_address_does_not_keep_the_others_from_theirs(caplog: pytest.LogCaptureFixture) -> None:
    with mail_room(refused=frozenset({"gone@example.org"})) as room:
        send(boxes(room, to=["gone@example.org", "ana@example.org"])[0])

    assert [to for to, _ in room.got] == [["ana@example.org"]]
    assert "gone@example.org" in caplog.text


def test_nobody_there_is_an_error_that_says_where() -> None:
    with mail_room() as room:
        box = boxes(room)[0]

    with pytest.raises(NotSentError, match=f"{HOST}:{room.port} did not take the message"):
        send(box)


def test_a_person_is_told_what_their_role_lets_them_settle_and_not_what_they_voted_on() -> None:
    with mail_room() as room:
        box = {
            one.person: one for one in boxes(room, people={"anna": "anna@x.org", "vera": "v@x.org", "eve": "e@x.org"})
        }
    items, lab = waiting_in(sample_picture(), ALL), sample_laboratory()

    assert [item.id for item in items if box["anna"].wants(item, lab)] == ["hard-P001", "hard-P003"]
    assert not any(box["vera"].wants(item, lab) for item in items)  # a viewer
    assert not any(box["eve"].wants(item, lab) for item in items)  # nobody of the laboratory
    assert all(box[""].wants(item, lab) for item in items)


def test_who_gave_up_their_key_is_told_nothing_more() -> None:
    lab = sample_laboratory()
    people = tuple(p.model_copy(update={"revoked": NOW - timedelta(days=1)}) for p in lab.people)
    with mail_room() as room:
        anna = boxes(room, people={"anna": "anna@x.org"})[1]

    assert not anna.wants(waiting_in(sample_picture(), ALL)[0], sample_laboratory(people=people))
