"""Notices to a webhook, with a real HTTP server on loopback: signed, for programs and for chats."""

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest
from dashboard_samples import NOW, sample_picture
from mail_room import Hook, hook

from agent.dashboard.notices.bulletin import Notice
from agent.dashboard.notices.letter import html_of, text_of
from agent.dashboard.notices.outlet import NotSentError, Secrets
from agent.dashboard.notices.settings import ALL, parse_notify
from agent.dashboard.notices.waiting import waiting_in
from agent.dashboard.notices.webhook import Webhook, signature
from instruments.clock import SimClock

SECRET = "It's a Secret to Everybody"  # noqa: S105


def webhook(end: Hook, secrets: Secrets | None = None, **table: Any) -> Webhook:
    settings = parse_notify({"link": "https://lab.example.org/dashboard", "webhook": {"url": end.url, **table}})
    assert settings.webhook is not None
    return Webhook(settings.webhook, settings, secrets or Secrets(), SimClock(NOW))


def send(one: Webhook) -> None:
    asyncio.run(one.send(Notice("hall-3", waiting_in(sample_picture(), ALL)[:2], (), 1), NOW))


def test_the_signature_is_that_of_a_published_example() -> None:
    # GitHub's documentation of webhooks, "Testing the webhook payload validation".
    assert signature(SECRET, b"Hello, World!") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


def test_programs_read_what_waits_and_chats_the_text() -> None:
    with hook() as end:
        send(webhook(end))

    body = json.loads(end.got[0][0])
    assert (body["version"], body["lab"], body["others"]) == (1, "hall-3", 1)
    assert [one["id"] for one in body["new"]] == ["hard-P001", "hard-P002"]
    assert body["new"][1]["approved_by"] == ["anna"]
    assert body["new"][0]["link"] == "https://lab.example.org/dashboard/proposals/hard-P001"
    assert body["subject"] == "hall-3: 2 proposals wait for a person"
    assert "Approve SiC? hard-P001" in body["text"]
    assert "x-labwright-signature" not in end.got[0][1]


def test_nothing_is_announced_that_does_not_follow() -> None:
    first, second = waiting_in(sample_picture(), ALL)[:2]
    settings = parse_notify({})
    for notice, announced in ((Notice("hall-3", (first,)), False), (Notice("hall-3", (first,), (second,)), True)):
        assert ("Still waiting" in text_of(notice, settings, NOW)) == announced
        assert ("Still waiting" in html_of(notice, settings, NOW)) == announced


def test_what_is_sent_is_signed_byte_by_byte() -> None:
    with hook() as end:
        send(webhook(end, Secrets(webhook_secret=SECRET), headers={"X-Room": "hall 3"}))

    body, headers = end.got[0]
    assert end.is_signed_with(SECRET)
    assert (
        headers["x-labwright-signature"].removeprefix("sha256=")
        == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    )
    assert headers["x-room"] == "hall 3"
    assert headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_success_is_an_error_and_nothing_follows_a_redirect(status: int) -> None:
    with hook([status]) as end, pytest.raises(NotSentError, match=f"webhook of 127.0.0.1 answered {status}"):
        send(webhook(end))

    assert len(end.got) == 1


def test_nobody_there_is_an_error_without_the_address_that_may_be_a_secret() -> None:
    with hook() as end:
        one = webhook(end)

    with pytest.raises(NotSentError, match=r"webhook of 127\.0\.0\.1 was not reached") as caught:
        send(one)
    assert "/told" not in str(caught.value)
