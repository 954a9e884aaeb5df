"""Deciding on several proposals with one password: each is a signed decision of its own, of exactly what was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Literal

from nicegui import ui

from agent.dashboard.pages import proposal_markup as markup
from agent.dashboard.pages.caveats import caveats
from agent.dashboard.pages.signed import confirm_signed
from agent.dashboard.views import words
from agent.dashboard.views.proposal_card import ProposalCard
from agent.deciding.sending import Answer as Counted
from envs.errors import LabwrightError, UserError

if TYPE_CHECKING:
    from agent.dashboard.pages.deciding import Deciding
    from agent.dashboard.pages.shell import Frame

Many = Literal["approve", "reject"]
_DONE = {"counted": ("good", "counted"), "refused": ("bad", "refused"), "unknown": ("warn", "no answer")}


class DecidingMany:
    """One dialog about several proposals.

    Args:
        page: that it is on.
        deciding: knows whether something is still what was read.
        cards: as they were shown.
        choice: the same for all.
        done: called with the ids that counted.
    """

    def __init__(
        self,
        page: Frame,
        deciding: Deciding,
        cards: Sequence[ProposalCard],
        choice: Many,
        done: Callable[[Sequence[str]], None],
    ) -> None:
        self.page, self.deciding, self.cards, self.choice, self.done = page, deciding, tuple(cards), choice, done
        self.said: dict[str, tuple[str, str, str]] = {}
        n = words.counted(len(cards), "proposal")
        doing = "Approve" if choice == "approve" else "Reject"
        with deciding.place:
            dialog = confirm_signed(
                page,
                title=f"{doing} {n}?",
                words=f"One password signs {len(cards)} decisions, one for each, of exactly what you read:",
                action=self.send,
                button=f"Sign and {choice} {len(cards)}",
                comment="required" if choice == "reject" else "optional",
                comment_label="Reason, the same for all" if choice == "reject" else "Comment, the same for all",
                danger=choice == "reject",
            )
        (body,) = dialog.default_slot.children
        with body:
            self.list = ui.html(self.listed(), sanitize=False).mark("many-list")
        self.list.move(body, target_index=1)

    def listed(self) -> str:
        """What is decided on, with what became of each."""
        return f'<ul class="lw-many">{"".join(self._line(card) for card in self.cards)}</ul>'

    async def send(self, password: str, comment: str) -> Counted:
        """Sign and send them one after the other; what counted before is not sent again."""
        for card in self.cards:
            if self.said.get(card.id, ("", "", ""))[1] == "counted":
                continue
            self.said[card.id] = await self._one(card, password, comment)
            if not self.list.is_deleted:
                self.list.set_content(self.listed())
        counted = [pid for pid, (_, verdict, _) in self.said.items() if verdict == "counted"]
        self.done(counted)
        all_of_them = len(counted) == len(self.cards)
        text = f"{len(counted)} of {words.counted(len(self.cards), 'decision')} counted"
        return Counted("counted" if all_of_them else "refused", text, "decision")

    async def _one(self, card: ProposalCard, password: str, comment: str) -> tuple[str, str, str]:
        try:
            self.deciding.must_be_as_read(card.read)
        except UserError as error:
            return "bad", "not sent", str(error)
        try:
            answer = await self.page.hall.voice.decide(
                self.page.visitor, password, card.read, self.choice, comment=comment
            )
        except LabwrightError as error:
            # A wrong password is wrong for all of them: nobody wants to be told so twelve times.
            if not self.said:
                raise
            return "bad", "not sent", str(error)
        tone, verdict = _DONE[answer.verdict]
        return tone, verdict, answer.text

    def _line(self, card: ProposalCard) -> str:
        tone, verdict, text = self.said.get(card.id, ("", "", ""))
        chip = f'<span class="lw-chip {tone}">{escape(verdict)}</span>' if verdict else ""
        process = ", ".join(f"{name} {words.formula(value)}" for name, value in card.process)
        notes = ""
        if self.choice == "approve":
            after = f"<p class='lw-note info'>{escape(card.quorum.when_approved)}</p>" if card.quorum.needed > 1 else ""
            notes = caveats(card) + after
        return (
            f"<li><b>{escape(card.formula)}</b>{markup.polymorph(card)} {chip}<br><span class='lw-meta'>"
            f"{escape(card.id)}, revision {card.revision}, digest <code>{card.read.digest[:12]}</code></span><br>"
            f"{escape(process)}{notes}{f'<p>{escape(text)}</p>' if text else ''}</li>"
        )
