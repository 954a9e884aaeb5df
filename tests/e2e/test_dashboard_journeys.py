"""People's ways through the dashboard, in a real browser at a laboratory that runs."""

from __future__ import annotations

from e2e.conftest import Enter
from e2e.laboratory import Laboratory
from e2e.person import EXPERIMENT_MS


def test_log_in_read_approve_and_see_it_run_to_the_end(lab: Laboratory, person: Enter) -> None:
    anna = person("anna")
    anna.log_in()
    anna.arrive()
    anna.see(anna.page.locator("main a[href*='/proposals/']").first, within_ms=EXPERIMENT_MS)
    anna.shoot("proposals")
    pid = anna.waiting()[0]
    anna.open_proposal(pid)
    anna.shoot("proposal")
    anna.approve(pid)
    link = anna.page.locator("main a[href*='/experiments/']").first
    anna.see(link)
    link.click()
    anna.arrive()
    anna.shoot("experiment-begun")
    anna.see(anna.page.get_by_text("completed").or_(anna.page.get_by_text("infeasible")).first, within_ms=EXPERIMENT_MS)
    anna.shoot("experiment-ended")
    assert pid in lab.command("show", pid).stdout
