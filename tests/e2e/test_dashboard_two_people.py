"""Proposals that two people must approve, and edits that void what was approved."""

from __future__ import annotations

import pytest

from e2e.conftest import Enter
from e2e.laboratory import Wanted


@pytest.fixture(scope="module")
def wanted() -> Wanted:
    return Wanted(policy={"two_persons": {"factors": {"temperature": {"above": 0.0}}}})


def test_two_people_approve_and_each_sees_the_others_vote(person: Enter) -> None:
    anna, ben = person("anna"), person("ben", width=390, dark=True)
    anna.log_in()
    anna.arrive()
    pid = anna.waiting()[0]
    ben.log_in(path=f"/proposals/{pid}")
    ben.arrive()
    anna.approve(pid)
    ben.see("anna")
    ben.shoot("one-of-two")
    anna.see(f"Proposal {pid}")
    anna.shoot("one-of-two")
    ben.approve(pid)
    link = "main a[href*='/experiments/']"
    anna.see(anna.page.locator(link).first)
    ben.see(ben.page.locator(link).first)
    ben.shoot("two-of-two")
