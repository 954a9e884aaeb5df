"""Approving and rejecting: what will be signed is shown, and nothing else is ever signed than what was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.signed import confirm_signed
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard
from envs.errors import UserError
from instruments.messages import Quantity
from instruments.profile.agent_messages import Proposal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.dashboard.pages.shell import Frame
    from agent.deciding.sending import Answer as Counted
    from instruments.profile.decisions import Choice, PublishedProposal

Changes = "Mapping[str, float | str]"
_TITLES: dict[str, str] = {"approve": "Approve", "reject": "Reject", "edit": "Sign this edit of"}


def signed_words(read: PublishedProposal, design: Proposal, *, with_design: bool = True) -> str:
    """Exactly what a signature covers, as markup."""
    rows = [
        ("Laboratory", escape(read.lab)),
        ("Proposal", f"{escape(read.proposal)}, revision {read.revision}"),
        ("Digest", f'<code>{read.digest[:12]}</code> <span class="lw-meta">SHA-256 of all that was published</span>'),
    ]
    if with_design:
        rows += [(escape(words.title(path)), _value(value)) for path, value in design.design.items()]
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<dl class="lw-kv lw-signing">{body}</dl>'


def _value(value: Quantity | str) -> str:
    return escape(words.formula(words.quantity(value)))


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
        quorum = one.quorum
        after = "It is made as soon as the instruments are free."
        if quorum.missing > 1:
            after = f"Yours is approval {len(quorum.votes) + 1} of {quorum.needed}: another person must approve too."
        notes = "".join(
            f"<p>{escape(goal.name)}, expected: <b class='lw-num'>{escape(goal.text)}</b> "
            f"<span class='lw-meta'>(90%: {escape(goal.interval)})</span></p>"
            for goal in one.predictions[:1]
        )
        notes += "".join(f'<p class="lw-note warn">{escape(text)}</p>' for text in one.rights.warnings)
        notes += "".join(
            f"<p class='lw-note bad'><b>Beyond the limit</b>: {escape(limit.name)} {escape(limit.value)}, "
            f"allowed {escape(limit.allowed)}</p>"
            for limit in one.limits
            if limit.tone == "bad"
        )
        notes += "".join(f"<p class='lw-note {d.tone}'>{markup.danger(d)}</p>" for d in one.dangers)
        if one.known is not None and one.known.tone != "good":
            notes += f'<p class="lw-note {one.known.tone}">{escape(one.known.title)}: {escape(one.known.text)}.</p>'
        self._ask(one, "approve", after, notes, button="Sign and approve", comment_is_needed=False)

    def reject(self, one: ProposalCard) -> None:
        """Have the person reject it, with a reason."""
        said = "It is closed, and not made. The reason is kept, and the campaign goes on without it."
        self._ask(one, "reject", said, "", button="Sign and reject", comment_is_needed=True)

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

    def edit(self, one: ProposalCard, changes: Mapping[str, float | str], rows: Sequence[tuple[str, str, str]]) -> None:
        """Have the person sign an edit that they saw."""
        said = (
            f"This makes revision {one.revision + 1}: approvals of revision {one.revision} are void, and the limits "
            "are checked again. It still has to be approved."
        )
        notes = f'<div class="lw-note">{markup.differences(rows)}</div>'
        self._ask(one, "edit", said, notes, button="Sign the edit", comment_is_needed=False, changes=changes)

    @property
    def is_busy(self) -> bool:
        """Whether a dialog is open."""
        return any(isinstance(child, ui.dialog) and child.value for child in self.place.default_slot.children)

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
        notes: str,
        *,
        button: str,
        comment_is_needed: bool,
        changes: Mapping[str, float | str] | None = None,
    ) -> None:
        if self.page.still_in() is None:
            return
        if not self.is_as_read(one.read):
            self._say_changed(one.read)
            return

        async def send(password: str, comment: str) -> Counted:
            self.must_be_as_read(one.read)
            self._sending = True
            try:
                return await self.page.hall.voice.decide(
                    self.page.visitor, password, one.read, choice, comment=comment, changes=changes
                )
            finally:
                self._sending = False

        def over(answer: Counted) -> None:
            if answer.verdict == "counted":
                self._open = None

        with self.place:
            dialog = confirm_signed(
                self.page,
                title=f"{_TITLES[choice]} {one.formula}?",
                words=said,
                markup=notes + signed_words(one.read, one.proposal),
                action=send,
                button=button,
                comment="required" if comment_is_needed else "optional",
                comment_label="Reason" if choice == "reject" else "Comment",
                danger=choice == "reject",
                said=over,
            )
        self.hold(dialog, one.read)

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
        by = f" by {words.listed(outcome.by)}" if outcome.by else ""
        return f"{read.proposal} was {outcome.verdict}{by} meanwhile."
    return f"{read.proposal} does not wait any more."


def decide_button(label: str, mark: str, click: Callable[[], None], *, primary: bool = False) -> ui.button:
    """A button below a proposal."""
    button = ui.button(label, on_click=click, color="primary" if primary else None)
    return button.props("no-caps unelevated" if primary else "no-caps outline").mark(mark)
