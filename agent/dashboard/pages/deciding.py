"""Approving and rejecting: what will be signed is shown, and nothing else is ever signed than what was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.caveats import caveats, signed_words
from agent.dashboard.pages.signed import Action, confirm_signed
from agent.dashboard.views.proposals import VERDICTS
from agent.words import who
from envs.errors import UserError

if TYPE_CHECKING:
    from agent.dashboard.pages.shell import Frame
    from agent.dashboard.views.proposal_card import ProposalCard
    from agent.deciding.sending import Answer as Counted
    from instruments.messages import Quantity
    from instruments.profile.decisions import Choice, PublishedProposal

_ASKED: Mapping[Choice, tuple[str, str]] = {
    "approve": ("Approve", "Sign and approve"),
    "reject": ("Reject", "Sign and reject"),
    "edit": ("Sign this edit of", "Sign the edit"),
}
"""Beginning of the question, and the button."""


class Deciding:
    """The dialogs of one browser's page: about what is shown there, as it was shown.

    Args:
        page: that they are on.
    """

    def __init__(self, page: Frame) -> None:
        self.page = page
        # Cards come and go while a dialog about them is open: it hangs on none of them.
        self.place = ui.element("div")
        self._open: tuple[ui.dialog, PublishedProposal] | None = None
        self._sending = False

    def approve(self, one: ProposalCard) -> None:
        """Have the person approve what they read."""
        notes = caveats(one) + signed_words(one.read, one.proposal.design)
        self._ask(one, "approve", one.quorum.when_approved, notes)

    def reject(self, one: ProposalCard) -> None:
        """Have the person reject it, with a reason."""
        said = "It is closed, and not made. The reason is kept, and the campaign goes on without it."
        self._ask(one, "reject", said, signed_words(one.read, one.proposal.design))

    def withdraw(self, one: ProposalCard) -> None:
        """Have the person take it back."""

        async def send(password: str, comment: str) -> Counted:
            return await self.page.hall.voice.ask(self.page.visitor, password, "withdraw", one.id, comment=comment)

        with self.place:
            confirm_signed(
                self.page,
                title=f"Take {one.id} back?",
                words="It is closed without anybody's judgement of it, and not made.",
                action=send,
                button="Sign and take back",
                comment="optional",
                danger=True,
            )

    def edit(
        self,
        one: ProposalCard,
        changes: Mapping[str, float | str],
        rows: Sequence[tuple[str, str, str]],
        design: Mapping[str, Quantity | str],
    ) -> None:
        """Have the person sign an edit that they saw.

        Args:
            one: as it was read.
            changes: new levels by path.
            rows: the same for people.
            design: as it will be.
        """
        said = (
            f"This makes revision {one.revision + 1}: approvals of revision {one.revision} are void, and the limits "
            "are checked again. It still has to be approved."
        )
        notes = f'<div class="lw-note">{markup.differences(rows)}</div>'
        self._ask(one, "edit", said, notes + signed_words(one.read, design, frozenset(changes)), changes)

    def hold(self, dialog: ui.dialog, read: PublishedProposal) -> None:
        """Have ``watch`` close a dialog when what it is about is changed."""
        self._open = (dialog, read)

    def watch(self) -> None:
        """Close the dialog where what it is about is not what was read any more; to be called on every change."""
        if self._open is None or self._sending:
            return
        dialog, read = self._open
        now = self.page.hall.live.picture.proposals.get(read.proposal)
        if dialog.is_deleted or dialog.value is False:
            self._open = None
        elif now is None or now.published != read:
            self._open = None
            dialog.close()
            self._say_changed(read)

    def _ask(
        self,
        one: ProposalCard,
        choice: Choice,
        said: str,
        body: str,
        changes: Mapping[str, float | str] | None = None,
    ) -> None:
        if self.page.still_in() is None:
            return
        if not self.is_as_read(one.read):
            self._say_changed(one.read)
            return

        def over(answer: Counted) -> None:
            if answer.verdict == "counted":
                self._open = None

        title, button = _ASKED[choice]
        with self.place:
            dialog = confirm_signed(
                self.page,
                title=f"{title} {one.formula}?",
                words=said,
                markup=body,
                action=self._sender(one.read, choice, changes),
                button=button,
                comment="required" if choice == "reject" else "optional",
                comment_label="Reason" if choice == "reject" else "Comment",
                danger=choice == "reject",
                said=over,
            )
        self.hold(dialog, one.read)

    def _sender(self, read: PublishedProposal, choice: Choice, changes: Mapping[str, float | str] | None) -> Action:
        async def send(password: str, comment: str) -> Counted:
            self.must_be_as_read(read)
            self._sending = True
            try:
                return await self.page.hall.voice.decide(
                    self.page.visitor, password, read, choice, comment=comment, changes=changes
                )
            finally:
                self._sending = False

        return send

    def is_as_read(self, read: PublishedProposal) -> bool:
        """Whether what is published is still exactly what was read."""
        now = self.page.hall.live.picture.proposals.get(read.proposal)
        return now is not None and now.published == read

    def must_be_as_read(self, read: PublishedProposal) -> None:
        """Refuse to sign anything but what was read.

        Raises:
            UserError: it was changed, or decided, meanwhile.
        """
        if not self.is_as_read(read):
            raise UserError(f"{changed_words(self.page, read)} Nothing was signed.")

    def _say_changed(self, read: PublishedProposal) -> None:
        with self.place, ui.dialog().mark("changed-dialog") as dialog, ui.element("div").classes("lw-signed lw-card"):
            ui.html(
                f"<h2 class='lw-signed-title'>Please read it again</h2>"
                f"<p class='lw-note warn'>{escape(changed_words(self.page, read))} Nothing was signed.</p>",
                sanitize=False,
            )
            with ui.element("div").classes("lw-actions"):
                ui.button("Read it again", on_click=dialog.close).props("no-caps unelevated autofocus").mark("again")
        dialog.on("hide", dialog.delete)
        dialog.open()


def changed_words(page: Frame, read: PublishedProposal) -> str:
    """What happened to a proposal since it was read."""
    picture = page.hall.live.picture
    now = picture.proposals.get(read.proposal)
    if now is not None:
        by = f" by {now.proposal.edited_by}" if now.proposal.edited_by else ""
        if now.published.revision == read.revision:
            return f"{read.proposal} is not what you read any more: the agent published it anew."
        revision = now.published.revision
        return (
            f"{read.proposal} was changed{by} while you read revision {read.revision}: it is revision {revision} now."
        )
    outcome = picture.outcomes.get(read.proposal)
    if outcome is not None:
        by = f" by {who(','.join(outcome.by))}" if outcome.by else ""
        verdict = VERDICTS[outcome.verdict][0]
        return f"{read.proposal} {verdict if verdict == 'expired' else f'was {verdict}'}{by} meanwhile."
    return f"{read.proposal} does not wait any more."


def decide_button(label: str, mark: str, click: Callable[[], None], *, primary: bool = False) -> ui.button:
    """A button below a proposal."""
    button = ui.button(label, on_click=click, color="primary" if primary else None)
    return button.props("no-caps unelevated" if primary else "no-caps outline").mark(mark)
