"""What people can say of an experiment: correct or take back its result, what became of it, where its sample is."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nicegui import ui

from agent.dashboard.pages.shell import Frame
from agent.dashboard.pages.signed import confirm_signed
from agent.dashboard.views import words
from agent.dashboard.views.experiment import ExperimentView
from agent.dashboard.views.experiment_correction import Written, correction_of, written_of
from agent.dashboard.views.experiment_result import editable
from agent.deciding.sending import Answer as Counted
from agent.roles import roles_asking
from instruments.messages import Quantity
from instruments.profile.requests import Action, Argument

_VERDICTS = {
    "again": ("Make the sample again", "What the instrument had begun is given up, and the experiment begins anew."),
    "aborted": ("Give it up", "The experiment ends without a result."),
}


class Hands:
    """The buttons of one browser.

    Args:
        page: that they are on.
        eid: the experiment.
    """

    def __init__(self, page: Frame, eid: str) -> None:
        self.page, self.eid = page, eid
        self.note = ui.html("", sanitize=False)
        # A dialog that is opened out of another goes with it, unless it stands beside it.
        self.beside = ui.element("div")
        with ui.element("div").classes("lw-actions"):
            self.again = self._button("Make it again …", lambda: self.reconcile("again"), "reconcile-again")
            self.aborted = self._button("Give it up …", lambda: self.reconcile("aborted"), "reconcile-aborted")
            self.amend = self._button("Correct the result …", self.open_amend, "amend")
            self.retract = self._button("Take the result back …", self.open_retract, "retract")
            self.move = self._button("Move the sample …", self.open_move, "move")

    def _button(self, label: str, action: object, mark: str) -> ui.button:
        button = ui.button(label, on_click=action, color=None).props("no-caps outline")  # type: ignore[arg-type]
        return button.mark(mark)

    def update(self, view: ExperimentView) -> None:
        """Show what can be said of it now, by who looks."""
        live, visitor = self.page.hall.live.freshness().live, self.page.looker()
        fits: dict[ui.button, tuple[bool, Action]] = {
            self.again: (view.needs_person, "reconcile"),
            self.aborted: (view.needs_person, "reconcile"),
            self.amend: (view.has_result and not view.retracted, "amend"),
            self.retract: (view.has_result and not view.retracted, "retract"),
            self.move: (True, "move"),
        }
        for button, (there, action) in fits.items():
            button.set_visibility(there and visitor.may_ask(action))
            button.set_enabled(live)
        refused = {action for there, action in fits.values() if there and not visitor.may_ask(action)} - {"move"}
        text = ""
        if view.needs_person:
            text = (
                "<p class='lw-note bad'>Nobody knows what became of an order. Look at the instrument and at the "
                "sample, then say what is to be done.</p>"
            )
        if refused:
            roles = words.listed(sorted({roles_asking(action) for action in refused}))
            text += f"<p class='lw-meta'>What is on record may be changed by: {escape(roles)}.</p>"
        self.note.content = text

    def reconcile(self, verdict: str) -> None:
        """Have the person say what became of it."""
        title, said = _VERDICTS[verdict]
        text = f"{self.eid}: {said} The record keeps who looked, and what was said."
        self._sign(f"{title}?", text, "reconcile", {"verdict": verdict}, title)

    def open_retract(self) -> None:
        """Have the person take the result back."""
        text = (
            f"The result of {self.eid} no longer counts: the models learn anew without it, and the best so far may "
            f"change. The record keeps what was measured, who took it back and why."
        )
        self._sign("Take this result back?", text, "retract", {}, "Sign and take back")

    def _sign(
        self, title: str, text: str, action: Action, arguments: Mapping[str, Argument], button: str, markup: str = ""
    ) -> None:
        if self.page.still_in() is None:
            return
        # Where a sample is changes no record: a reason is welcome there, and needed else.
        needed = action != "move"

        async def send(password: str, comment: str) -> Counted:
            return await self.page.hall.voice.ask(
                self.page.visitor, password, action, self.eid, arguments=arguments, comment=comment
            )

        with self.beside:
            confirm_signed(
                self.page,
                title=title,
                words=text,
                markup=markup,
                action=send,
                button=button,
                comment="required" if needed else "optional",
                danger=action == "retract" or arguments.get("verdict") == "aborted",
            )

    def open_move(self) -> None:
        """Have the person say where the sample is."""
        with self.beside, ui.dialog().mark("move-dialog") as dialog, ui.element("div").classes("lw-signed lw-card"):
            ui.html(f"<h2 class='lw-signed-title'>Where is sample {escape(self.eid)} now?</h2>", sanitize=False)
            place = ui.input("Place, such as a shelf or an instrument").props("outlined dense autofocus maxlength=64")
            place.classes("lw-field").mark("place")

            def go_on() -> None:
                said = (place.value or "").strip()
                if said:
                    dialog.close()
                    text = f"Sample {self.eid} is at {said}."
                    self._sign("Say where the sample is?", text, "move", {"place": said}, "Sign and move")

            place.on("keydown.enter", go_on)
            _foot(dialog, go_on)
        dialog.on("hide", dialog.delete)
        dialog.open()

    def open_amend(self) -> None:
        """Have the person put other values in the place of measured ones."""
        one = self.page.hall.live.picture.experiments.get(self.eid)
        if one is None:
            return
        values = dict(editable(one))
        with self.beside, ui.dialog().mark("amend-dialog") as dialog, ui.element("div").classes("lw-signed lw-card"):
            ui.html(
                "<h2 class='lw-signed-title'>Correct the result</h2><p>Change what is wrong; leave the rest. "
                "An uncertainty that is left empty stays as it was.</p>",
                sanitize=False,
            )
            with ui.element("div").classes("lw-fields"):
                fields = {name: _fields(name, quantity) for name, quantity in values.items()}
            trouble = ui.html("", sanitize=False).props("role=status aria-live=polite")

            def go_on() -> None:
                said = correction_of(values, _written(fields))
                if said.wrong:
                    trouble.content = f"<p class='lw-note warn'>{escape(said.wrong)}</p>"
                    return
                dialog.close()
                text = f"The result of {self.eid} is replaced, and the models learn anew from it."
                self._sign("Correct this result?", text, "amend", said.arguments, "Sign and correct", _table(said.rows))

            _foot(dialog, go_on)
        dialog.on("hide", dialog.delete)
        dialog.open()


def _foot(dialog: ui.dialog, go_on: object) -> None:
    with ui.element("div").classes("lw-actions"):
        ui.button("Go on", on_click=go_on).props("no-caps unelevated").mark("go-on")  # type: ignore[arg-type]
        ui.button("Cancel", on_click=dialog.close, color=None).props("no-caps flat").classes("lw-quiet")


def _fields(name: str, quantity: Quantity) -> tuple[ui.input, ui.input]:
    unit = words.pretty_unit(quantity.unit)
    ui.html(
        f"<p class='name'>{escape(words.title(name))}: {escape(words.quantity(quantity))}</p>", sanitize=False
    ).style("grid-column: 1 / -1")
    shown = written_of(quantity)
    value, spread = (
        ui.input(label, value=text).props("outlined dense inputmode=decimal")
        for label, text in (("Value", shown.value), ("Uncertainty, ±", shown.std))
    )
    for field in (value, spread):
        if unit:
            field.props["suffix"] = unit
    return value.mark(f"value-{name}"), spread.mark(f"std-{name}")


def _written(fields: dict[str, tuple[ui.input, ui.input]]) -> dict[str, Written]:
    return {
        name: Written((value.value or "").strip(), (std.value or "").strip()) for name, (value, std) in fields.items()
    }


def _table(rows: tuple[tuple[str, str, str], ...]) -> str:
    heads = "<tr><th scope='col'>Property</th><th scope='col'>Before</th><th scope='col'>After</th></tr>"
    body = "".join(
        f"<tr><td>{escape(name)}</td><td><s>{escape(before)}</s></td><td><strong>{escape(after)}</strong></td></tr>"
        for name, before, after in rows
    )
    return f"<table class='lw-table'><thead>{heads}</thead><tbody>{body}</tbody></table>"
