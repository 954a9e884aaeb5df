"""People's ways through the dashboard, in a real browser at a laboratory that runs."""

from __future__ import annotations

import re

from e2e.conftest import Enter
from e2e.laboratory import Laboratory
from e2e.person import EXPERIMENT_MS

ENDED = re.compile("^(completed|cannot be made)$")


def test_log_in_read_approve_and_see_it_run_to_the_end(person: Enter) -> None:
    anna = person("anna")
    anna.log_in()
    anna.arrive()
    pid = anna.waiting()[0]
    anna.shoot("proposals")
    anna.open_proposal(pid)
    anna.shoot("proposal")
    anna.approve(pid)
    link = anna.page.locator("main a[href*='/experiments/']").first
    anna.see(link)
    link.click()
    anna.arrive()
    anna.shoot("experiment-begun")
    anna.see(anna.page.get_by_text(ENDED).first, within_ms=EXPERIMENT_MS)
    anna.shoot("experiment-ended")
    anna.see(f"{pid}, revision 1")


def test_what_is_approved_by_a_command_line_appears_the_same_way(lab: Laboratory, person: Enter) -> None:
    ben = person("ben", width=390, dark=True)
    ben.log_in()
    ben.arrive()
    ids = ben.waiting()
    ben.shoot("proposals")
    for pid in ids[-4:]:
        said = lab.command("approve", pid, user="anna")
        assert said.returncode == 0, said.stderr
    for pid in ids[-4:]:
        ben.see(ben.page.locator("main tr", has_text=pid))
    ben.shoot("proposals-decided")
    ben.go("/experiments")
    ben.arrive()
    ben.see(ben.page.get_by_text(re.compile("completed|measured")).first, within_ms=2 * EXPERIMENT_MS)
    ben.shoot("experiments")
