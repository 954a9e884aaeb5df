"""People decide on proposals in a browser: one or several, with the right password or not, allowed to or not."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from e2e import acts
from e2e.conftest import Enter
from e2e.laboratory import Laboratory, Wanted
from e2e.person import Person

NEVER = "not the password"


@pytest.fixture(scope="module")
def wanted() -> Wanted:
    return Wanted(experiments=24)


@pytest.fixture(scope="module")
def free(lab: Laboratory) -> list[str]:
    """Ids of proposals that wait, each for one test to decide on."""
    return []


def take(lab: Laboratory, free: list[str]) -> str:
    """The next proposal that no test has decided on."""
    while not free:
        free += [one["proposal"] for one in acts.proposals(lab)]
    return free.pop(0)


def enter(one: Person, path: str = "/proposals") -> Person:
    one.log_in(path=path)
    one.arrive()
    return one


def row(one: Person, pid: str) -> None:
    """Wait until a proposal stands among the decided ones."""
    one.see(one.page.locator("main tr", has_text=pid))


def test_a_wrong_password_lets_nobody_in_and_says_not_which_was_wrong(person: Enter) -> None:
    vera = person("vera", width=390)
    vera.log_in(NEVER)
    vera.see("This name and password do not go together here.")
    expect(vera.page.get_by_label("Name")).to_have_value("vera")
    expect(vera.page.get_by_label("Password of your key")).to_have_value("")
    vera.shoot("wrong-password")
    nobody = person("nobody")
    nobody.log_in(NEVER)
    nobody.see("This name and password do not go together here.")
    nobody.shoot("wrong-password")
    vera.log_in()
    vera.arrive()


def test_a_wrong_password_signs_nothing_and_the_right_one_counts(
    lab: Laboratory, free: list[str], person: Enter
) -> None:
    anna = enter(person("anna"))
    anna.waiting()
    pid = take(lab, free)
    anna.open_proposal(pid)
    anna.page.get_by_role("button", name="Approve", exact=True).click()
    anna.sign("Sign and approve", password=NEVER)
    anna.see(re.compile("[Ww]rong password"))
    anna.shoot("wrong-signature")
    assert pid in {one["proposal"] for one in acts.proposals(lab)}
    anna.sign("Sign and approve", comment="the right key now")
    anna.see("It counted")
    anna.close_dialog()
    anna.see(re.compile("^approved"))


def test_a_rejection_needs_a_reason_which_everybody_sees(lab: Laboratory, free: list[str], person: Enter) -> None:
    ben, vera = enter(person("ben", width=390)), enter(person("vera"))
    ben.waiting()
    pid = take(lab, free)
    ben.open_proposal(pid)
    ben.page.get_by_role("button", name="Reject", exact=True).click()
    ben.sign("Sign and reject")
    ben.see("please say it; the record keeps it")
    ben.sign("Sign and reject", comment="the crucible would react")
    ben.see("It counted")
    ben.shoot("rejecting", whole=False)
    ben.close_dialog()
    ben.see("the crucible would react")
    ben.shoot("rejected")
    row(vera, pid)
    vera.see(vera.page.locator("main tr", has_text=pid).get_by_text("the crucible would react"))
    vera.shoot("rejected")


def test_several_are_decided_with_one_password_each_by_a_signature(
    lab: Laboratory, free: list[str], person: Enter
) -> None:
    anna, ben = enter(person("anna")), enter(person("ben", width=390, dark=True))
    anna.waiting()
    pids = [take(lab, free), take(lab, free)]
    for pid in pids:
        anna.page.get_by_role("checkbox", name=re.compile(f"Select .*, {pid}$")).click()
    anna.see("2 selected")
    anna.page.get_by_role("button", name="Approve 2").click()
    anna.shoot("several-dialog", whole=False)
    anna.sign("Sign and approve 2", comment="both")
    anna.see("2 of 2 decisions counted")
    anna.shoot("several-signed", whole=False)
    anna.close_dialog()
    for pid in pids:
        row(anna, pid)
        row(ben, pid)
    ben.shoot("several-decided")


def test_an_edit_is_foreseen_signed_and_approved_by_another(lab: Laboratory, free: list[str], person: Enter) -> None:
    anna, ben = enter(person("anna")), enter(person("ben", width=390))
    anna.waiting()
    pid = take(lab, free)
    ben.open_proposal(pid)
    anna.open_proposal(pid)
    anna.page.get_by_role("button", name="Edit", exact=True).click()
    dialog = anna.page.get_by_role("dialog")
    to_sign = dialog.get_by_role("button", name="Sign this edit …")
    expect(to_sign).to_be_disabled()
    dialog.get_by_label("Hold").click()
    listed = anna.page.get_by_role("option")
    anna.see(listed.first)
    new = listed.filter(has_text="0.5 h").or_(listed.filter(has_text="4 h")).first
    chosen = new.inner_text().strip()
    new.click()
    anna.see(dialog.locator("ins", has_text=chosen).first)
    expect(to_sign).to_be_disabled()  # nothing is signed that was not foreseen
    dialog.get_by_role("button", name="Predict").click()
    anna.see(dialog.get_by_text("With your edit"))
    expect(to_sign).to_be_enabled()
    anna.shoot("edit", whole=False)
    to_sign.click()
    anna.see(dialog.get_by_text("This makes revision 2"))
    expect(dialog).to_have_count(1)  # the one before is gone
    anna.see(dialog.locator("ins", has_text=chosen).first)
    anna.sign("Sign the edit", comment="less grain growth")
    anna.see("It counted")
    anna.shoot("edit-signed", whole=False)
    anna.close_dialog()
    ben.see("anna changed this while you were reading: it is revision 2 now.")
    ben.see(ben.page.locator("main ins", has_text=chosen).first)
    ben.shoot("edited")
    anna.see("another person must approve it")
    anna.shoot("edited")
    ben.page.get_by_role("button", name="Approve", exact=True).click()
    ben.sign("Sign and approve")
    ben.see("It counted")
    ben.close_dialog()
    anna.see(re.compile("^approved"))


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="Mosquitto's clients are not installed")
def test_what_mosquitto_pub_says_with_a_signature_of_the_command_line_counts_in_the_page(
    lab: Laboratory, free: list[str], person: Enter
) -> None:
    anna, vera = enter(person("anna")), enter(person("vera", width=390))
    anna.waiting()
    pid = take(lab, free)
    anna.open_proposal(pid)
    token = acts.sign(lab, acts.published(lab, "ben", pid), "ben")
    acts.publish(lab, "clara", pid, token)  # his, not hers: refused, and the page stays as it is
    acts.publish(lab, "ben", pid, token)
    anna.see(re.compile("^approved"))
    anna.see(anna.page.locator("main").get_by_text(re.compile(r"\bben\b")).first)
    anna.shoot("approved-by-mosquitto")
    row(vera, pid)
    vera.see(vera.page.locator("main tr", has_text=pid).get_by_text("ben", exact=True))
    vera.shoot("approved-by-mosquitto")


def test_who_may_not_decide_is_told_so_and_cannot(lab: Laboratory, person: Enter) -> None:
    vera = enter(person("vera", width=390))
    pid = vera.waiting()[0]
    vera.open_proposal(pid)
    approve = vera.page.get_by_role("button", name="Approve", exact=True)
    for name in ("Approve", "Reject", "Edit"):
        expect(vera.page.get_by_role("button", name=name, exact=True)).to_be_disabled()
    vera.see(re.compile("Approving needs the role approver.*you are viewer"))
    expect(vera.page.get_by_role("button", name="Stop the laboratory")).to_be_hidden()
    vera.shoot("viewer")
    # What a page of hers could be made to send: the press of the button that is disabled, and a foreign form.
    approve.evaluate("button => { button.disabled = false; button.classList.remove('disabled'); button.click(); }")
    assert vera.page.evaluate(_PRESS_ALL) > 3
    vera.page.keyboard.press("a")
    assert vera.page.evaluate(_FORGED, vera.base) == [403, 403]
    assert not vera.page.evaluate(_FOREIGN_SOCKET, vera.base.replace("http", "ws"))
    expect(vera.page.get_by_role("dialog")).to_have_count(0)
    # And a signature of her own, which a broker would take from anybody.
    refused = lab.command("approve", pid, user="vera")
    assert refused.returncode != 0
    assert "needs the role" in refused.stderr
    assert pid in {one["proposal"] for one in acts.proposals(lab)}
    vera.faults.clear()


_PRESS_ALL = """() => {
  let pressed = 0;
  const elements = document.querySelector("#app")._vnode.component.proxy.elements;
  for (const [id, element] of Object.entries(elements))
    for (const event of element.events ?? [])
      if (event.type === "click") {
        const said = {id: Number(id), client_id: window.clientId, listener_id: event.listener_id, args: []};
        window.socket.emit("event", said);
        pressed += 1;
      }
  return pressed;
}"""
"""Tell the server that everything on the page was pressed, whatever the page offers."""
_FORGED = """async (base) => {
  const form = new URLSearchParams({csrf: "made up"});
  const out = await fetch(base + "/logout", {method: "POST", body: form, redirect: "manual"});
  const into = await fetch(base + "/login", {method: "POST", body: new URLSearchParams(
    {csrf: "made up", name: "anna", password: "x"}), redirect: "manual"});
  return [out.status, into.status];
}"""
_FOREIGN_SOCKET = """async (base) => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  document.body.append(frame);
  const socket = new WebSocket(base + "/_nicegui_ws/elsewhere");
  return await new Promise(done => {
    socket.onopen = () => done(true);
    socket.onerror = socket.onclose = () => done(false);
  });
}"""


def test_a_key_that_is_given_up_and_a_session_that_is_over_lead_to_the_login(lab: Laboratory, person: Enter) -> None:
    ole = enter(person("ole", width=390))
    anna = enter(person("anna"))
    again = anna.context.new_page()
    again.goto(anna.base + "/people")
    again.get_by_role("button", name="Log out").click()
    again.close()
    anna.see(re.compile("^Log in to"), within_ms=30_000)
    acts.give_up_key(lab, "ole")
    ole.see(re.compile("Log in to"), within_ms=30_000)
    ole.log_in()
    ole.see("This key was given up")
    ole.shoot("key-given-up")


def test_a_session_in_which_nobody_does_anything_ends(lab: Laboratory, person: Enter) -> None:
    with acts.hasty(lab, "ben", idle_s=4.0) as pages:
        ben = enter(person("ben", base=pages))
        ben.page.mouse.move(300, 300)
        ben.see("Your session is over: please log in again.", within_ms=40_000)
        ben.shoot("session-expired")
        ben.faults.clear()
