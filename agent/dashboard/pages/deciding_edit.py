"""Editing a proposal: other levels, the difference, what the models expect then; and only then the signature."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from nicegui import ui

from agent.dashboard.drawing.bars import interval_bar
from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.naming import called
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard
from agent.dashboard.views.proposal_edit import (
    CRYSTAL,
    Choice,
    Foreseen,
    Level,
    changed,
    choices_of,
    design_after,
    foreseen,
    rows_of,
)
from agent.dashboard.views.proposal_parts import Prediction
from envs.errors import LabwrightError

if TYPE_CHECKING:
    from agent.dashboard.pages.deciding import Deciding
    from agent.dashboard.pages.shell import Frame
    from instruments.profile.questions import Preview

_ASK = "Have it predicted first: then it can be signed."


class Editing:
    """One dialog in which a proposal is edited.

    Args:
        page: that it is on.
        deciding: signs.
        one: as it was shown.
    """

    def __init__(self, page: Frame, deciding: Deciding, one: ProposalCard) -> None:
        self.page, self.deciding, self.one = page, deciding, one
        self.choices = choices_of(one.proposal, page.hall.live.picture)
        self.values: dict[str, Level | None] = {choice.path: choice.now for choice in self.choices}
        self.asked: dict[str, Level] | None = None
        self.preview: Preview | None = None
        self.refused = False
        self.busy = False
        title = f"Edit {one.formula}"
        with deciding.place:
            self.dialog = called(ui.dialog().mark("edit-dialog"), title)
        with self.dialog, ui.element("div").classes("lw-signed lw-card lw-edit"):
            said = f"{one.id}, revision {one.revision}. What you change makes revision {one.revision + 1}."
            ui.html(f"<h2 class='lw-signed-title'>{escape(title)}</h2><p class='lw-meta'>{said}</p>", sanitize=False)
            with ui.element("div").classes("lw-edit-fields"):
                for choice in self.choices:
                    self.field(choice)
            self.difference = ui.html("", sanitize=False).props("aria-live=polite").mark("edit-difference")
            self.outlook = ui.html("", sanitize=False).props("aria-live=polite").mark("edit-outlook")
            with ui.element("div").classes("lw-actions"):
                self.predict = ui.button("Predict", on_click=self.foresee).props("no-caps outline").mark("predict")
                self.sign = ui.button("Sign this edit …", on_click=self.go_on)
                self.sign.props("no-caps unelevated").mark("sign-edit")
                cancel = ui.button("Cancel", on_click=self.dialog.close, color=None)
                cancel.props("no-caps flat").classes("lw-quiet").mark("cancel-edit")
        self.dialog.on("hide", self.dialog.delete)
        self.update()
        self.dialog.open()
        deciding.hold(self.dialog, one.read)

    @property
    def changes(self) -> dict[str, Level]:
        """What is another than proposed."""
        return changed(self.choices, self.values)

    def field(self, choice: Choice) -> None:
        """Where one factor is chosen."""
        unit = words.pretty_unit(choice.unit)
        label = f"{choice.name}, {unit}" if unit and choice.is_free else choice.name

        def chosen(value: object) -> None:
            self.values[choice.path] = value if isinstance(value, int | float | str) and value != "" else None
            self.update()

        if choice.levels:
            made: ui.element = ui.select(
                dict(choice.levels),
                label=label,
                value=choice.now,
                with_input=choice.path == CRYSTAL or len(choice.levels) > 24,
                on_change=lambda event: chosen(event.value),
            )
            made.props('options-dense popup-content-class="lw-menu"')
        elif isinstance(choice.now, str):
            made = ui.input(label, value=choice.now, on_change=lambda event: chosen(event.value))
        else:
            made = ui.number(label, value=choice.now, on_change=lambda event: chosen(event.value))
        made.props("outlined dense").classes("lw-field").mark(f"edit-{choice.path}")

    def update(self) -> None:
        """Show the difference, and what can be done."""
        changes = self.changes
        rows = rows_of(self.choices, changes)
        said = f"<b>Changes</b>{markup.differences(rows)}" if rows else "Nothing is changed yet."
        self.difference.set_content(f"<div class='lw-note'>{said}</div>")
        fresh = self.asked is not None and self.asked == changes
        if not fresh:
            self.outlook.set_content(f"<p class='lw-meta'>{_ASK}</p>" if changes else "")
        self.predict.set_enabled(bool(changes) and not self.busy)
        self.sign.set_enabled(bool(changes) and fresh and not self.refused and not self.busy)

    async def foresee(self) -> None:
        """Ask the agent what the edited design would be."""
        visitor, changes = self.page.still_in(), self.changes
        if visitor is None or self.busy or not changes:
            return
        self.set_busy(True)
        self.outlook.set_content("<p class='lw-note'>The models are asked …</p>")
        try:
            answer = await self.page.hall.voice.preview(visitor, self.one.id, changes)
        except LabwrightError as error:
            said = f"{error} It can be signed without a prediction: the limits are checked when it arrives."
            self.show(changes, f"<p class='lw-note warn'>{escape(said)}</p>", refused=False)
        else:
            if answer.preview is None:
                text = answer.refused or "The agent gave no prediction."
                self.show(changes, f"<p class='lw-note warn'>{escape(text)}</p>", refused=False)
            elif answer.preview.revision != self.one.revision:
                said = f"The prediction is of revision {answer.preview.revision}, which is not the one you read."
                self.show(changes, f"<p class='lw-note warn'>{said}</p>", refused=True)
            else:
                seen = foreseen(self.one.proposal, answer.preview, self.page.hall.live.picture)
                self.show(changes, outlook_markup(seen), refused=bool(seen.refusals), preview=answer.preview)
        finally:
            if not self.dialog.is_deleted:
                self.set_busy(False)

    def show(
        self, changes: Mapping[str, Level], content: str, *, refused: bool, preview: Preview | None = None
    ) -> None:
        """Show what was said to some changes, where they are still the ones that are chosen."""
        if self.dialog.is_deleted or changes != self.changes:
            return
        self.asked, self.refused, self.preview = dict(changes), refused, preview
        self.outlook.set_content(content)

    def set_busy(self, busy: bool) -> None:
        """While the agent thinks, it is not asked again."""
        self.busy = busy
        self.predict.props(add="loading" if busy else "", remove="" if busy else "loading")
        self.update()

    def go_on(self) -> None:
        """To the signature."""
        changes = self.changes
        if not changes or changes != self.asked or self.refused:
            return
        self.dialog.close()
        design = design_after(self.one.proposal, changes, self.preview, self.page.hall.live.picture)
        self.deciding.edit(self.one, changes, rows_of(self.choices, changes), design)


def outlook_markup(seen: Foreseen) -> str:
    """What the agent said to an edit, beside what it said of the proposal."""
    refusals = "".join(f"<li>{escape(text)}</li>" for text in seen.refusals)
    refused = f"<div class='lw-note bad'><b>It could not be made so</b><ul>{refusals}</ul></div>" if refusals else ""
    rows = "".join(
        f"<tr><th scope='row'>{escape(row.name)}</th><td>{escape(row.before)}</td>"
        f"<td class='{'lw-new' if row.is_new else ''} {row.tone}'>{escape(row.after)}</td></tr>"
        for row in seen.rows
    )
    dangers = "".join(f"<p class='lw-note {one.tone}'>{markup.at_limit(one)}</p>" for one in seen.limits)
    dangers += "".join(f"<p class='lw-note {one.tone}'>{markup.danger(one)}</p>" for one in seen.dangers)
    notes = "".join(f"<p class='lw-meta'>{escape(note)}</p>" for note in seen.notes)
    return (
        f"{refused}<div class='lw-scroll'><table class='lw-table lw-compared'><thead><tr><th></th><th>As proposed</th>"
        f"<th>With your edit</th></tr></thead><tbody>{_predictions(seen)}{rows}</tbody></table></div>{dangers}{notes}"
    )


def _predictions(seen: Foreseen) -> str:
    before = {one.name: one for one in seen.before}
    after = {one.name: one for one in seen.after}
    rows: list[str] = []
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        both = [one for one in (old, new) if one is not None]
        scale = (min(one.scale[0] for one in both), max(one.scale[1] for one in both))
        rows.append(
            f"<tr><th scope='row'>{escape(name)}</th><td>{_one(old, scale)}</td>"
            f"<td class='lw-new'>{_one(new, scale)}</td></tr>"
        )
    return "".join(rows)


def _one(one: Prediction | None, scale: tuple[float, float]) -> str:
    if one is None:
        return words.NOTHING
    return (
        f"<b class='lw-num'>{escape(one.text)}</b>{interval_bar(one, scale)}"
        f"<span class='lw-meta'>90%: {escape(one.interval)}</span>"
    )
