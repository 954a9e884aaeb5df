"""The dialog in which a person signs: what will be said in their name, why, and the password of their key.

    async def send(password: str, comment: str) -> Counted:
        return await hall.voice.ask(visitor, password, "pause", cid, comment=comment)

    confirm_signed(page, title="Pause the campaign?", words="No further experiment of hard is begun.", action=send)

It opens at once. Enter in the password field sends, Esc closes, the focus is where the first thing is to be typed.
What the agent answers, and what went wrong, is said in the dialog itself, which stays open: nobody has to wonder
whether it counted. The password is let go of after each try.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, Literal

from nicegui import Client, ui

from agent.dashboard.pages.naming import called
from envs.errors import LabwrightError

if TYPE_CHECKING:
    from agent.dashboard.door.visitor import Visitor
    from agent.dashboard.pages.shell import Frame
    from agent.deciding.sending import Answer as Counted

Need = Literal["none", "optional", "required"]
Action = Callable[[str, str], "Awaitable[Counted]"]
"""Called with the password and the comment."""
Said = Callable[["Counted"], None]

MAX_COMMENT: Final = 2000
_OPENINGS: Final = frozenset({"the", "there", "wrong", "nobody", "no", "nothing", "too", "it", "this", "a", "an"})
_SILENT: Final = "Nobody answered. It is not known whether this counted: it may still. Look again in a minute."


@dataclass(frozen=True)
class Wording:
    """What a signing dialog says.

    Args:
        title: the question, such as ``Stop the laboratory?``.
        words: what will be signed, as plain text.
        markup: more of it, as markup whose every value is escaped already; empty where there is no more.
        button: what is done, in a word or two.
        comment: whether a comment may or must be given.
        comment_label: what the comment is.
        danger: whether it is drawn as something that stops or destroys.
        even_old: whether it may be sent though what the page shows is old, as a stop may.
    """

    title: str
    words: str
    markup: str = ""
    button: str = "Sign and send"
    comment: Need = "none"
    comment_label: str = "Reason"
    danger: bool = False
    even_old: bool = False


def confirm_signed(
    page: Frame,
    *,
    title: str,
    words: str,
    action: Action,
    markup: str = "",
    button: str = "Sign and send",
    comment: Need = "none",
    comment_label: str = "Reason",
    danger: bool = False,
    even_old: bool = False,
    said: Said | None = None,
) -> ui.dialog:
    """Open a signing dialog; call it in a page's context, as from a button's click.

    Args:
        page: whose visitor signs.
        title: the question, such as ``Stop the laboratory?``.
        words: what will be signed, as plain text.
        action: signs and sends, with the password and the comment (empty where none was given); its ``UserError``
            and ``TransportError`` are said in the dialog.
        markup: more of what will be signed, as markup whose every value is escaped already.
        button: what is done, in a word or two.
        comment: whether a comment may or must be given.
        comment_label: what the comment is.
        danger: whether it is drawn as something that stops or destroys.
        even_old: whether it may be sent though what the page shows is old, as a stop may.
        said: called with the answer, whatever it is, before the person closes the dialog.

    Returns:
        The dialog; it removes itself when it is closed.
    """
    wording = Wording(title, words, markup, button, comment, comment_label, danger, even_old)
    return _Signing(page, wording, action, said).dialog


def is_dialog_open(client: Client) -> bool:
    """Whether any dialog is open in a browser: then nothing that is typed is meant for what stands behind it."""
    return any(isinstance(element, ui.dialog) and element.value for element in client.elements.values())


class _Signing:
    def __init__(self, page: Frame, wording: Wording, action: Action, said: Said | None) -> None:
        self._page, self._wording, self._action, self._said = page, wording, action, said
        self._busy = False
        self._done = False
        self._role = (page.hall.visitor(page.visitor.session) or page.visitor).role
        self.dialog = called(ui.dialog().mark("signed-dialog"), wording.title)
        with self.dialog, ui.element("form").classes("lw-signed lw-card") as form:
            form.on("submit", js_handler="(e) => e.preventDefault()")
            ui.html(self._head(), sanitize=False)
            self._comment = self._comment_field()
            self._password = self._password_field()
            self._result = ui.html("", sanitize=False).classes("lw-signed-said").props("role=status aria-live=polite")
            with ui.element("div").classes("lw-actions"):
                self._send = ui.button(
                    wording.button, on_click=self.submit, color="negative" if wording.danger else "primary"
                )
                self._send.props("no-caps unelevated").mark("sign")
                self._close = ui.button("Cancel", on_click=self.dialog.close, color=None)
                self._close.props("no-caps flat").classes("lw-quiet").mark("cancel")
        self.dialog.on("hide", self.dialog.delete)
        self.dialog.open()

    def _head(self) -> str:
        wording = self._wording
        me = self._page.visitor.name
        return (
            f"<h2 class='lw-signed-title'>{escape(wording.title)}</h2><p>{escape(wording.words)}</p>{wording.markup}"
            f"<p class='lw-meta'>Signed as <strong>{escape(me)}</strong>, and kept in the laboratory's record.</p>"
            f"<input type='text' autocomplete='username' value='{escape(me)}' aria-hidden='true' tabindex='-1' hidden>"
        )

    def _comment_field(self) -> ui.textarea | None:
        need = self._wording.comment
        if need == "none":
            return None
        label = self._wording.comment_label + ("" if need == "required" else " (optional)")
        field = ui.textarea(label).props(f"outlined dense autogrow autofocus counter maxlength={MAX_COMMENT}")
        return field.classes("lw-field").mark("comment")

    def _password_field(self) -> ui.input:
        field = ui.input("Password of your key", password=True).classes("lw-field").mark("password")
        field.props("outlined dense autocomplete=current-password maxlength=1024")
        if self._comment is None:
            field.props("autofocus")
        return field.on("keydown.enter", self.submit)

    async def submit(self) -> None:
        """Sign and send, once at a time."""
        comment = (self._comment.value or "").strip() if self._comment is not None else ""
        visitor = self._page.still_in()
        if self._busy or self._done or visitor is None:
            return
        trouble = self._changed_role(visitor) or self._missing(comment)
        if trouble:
            self._say("warn", trouble)
            return
        password, self._password.value = self._password.value or "", ""
        self._set_busy(True)
        try:
            answer = await self._action(password, comment)
        except LabwrightError as error:
            self._say("bad", _sentence(str(error)))
            wrong = True
        else:
            self._tell(answer)
            wrong = False
        finally:
            if not self.dialog.is_deleted:
                self._set_busy(False)
        if wrong and not self.dialog.is_deleted:
            self._password.run_method("focus")

    def _changed_role(self, visitor: Visitor) -> str:
        if visitor.role == self._role:
            return ""
        return f"You are {visitor.role.value} now, and were {self._role.value} when this was opened: please look again."

    def _missing(self, comment: str) -> str:
        freshness = self._page.hall.live.freshness()
        if not freshness.live and not self._wording.even_old:
            return f"Nothing can be decided now: {freshness.words or 'what is shown is old.'}"
        if self._wording.comment == "required" and not comment:
            return f"{self._wording.comment_label}: please say it; the record keeps it."
        return "" if self._password.value else "Please type the password of your key."

    def _tell(self, answer: Counted) -> None:
        if answer.verdict == "counted":
            self._done = True
            self._say("good", f"It counted: {answer.text}" if answer.text else "It counted.")
            self._send.set_visibility(False)
            self._password.set_visibility(False)
            if self._comment is not None:
                self._comment.set_visibility(False)
            self._close.set_text("Close")
        elif answer.verdict == "refused":
            self._say("bad", f"It was refused: {answer.text}" if answer.text else "It was refused.")
        else:
            self._say("warn", answer.text or _SILENT)
        if self._said is not None:
            self._said(answer)

    def _say(self, tone: str, text: str) -> None:
        if not self.dialog.is_deleted:
            self._result.set_content(f"<p class='lw-note {tone}'>{escape(text)}</p>")

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        for field in (self._password, self._comment, self._send):
            if field is not None:
                field.set_enabled(not busy)
        self._send.props(add="loading" if busy else "", remove="" if busy else "loading")
        self.dialog.props(add="persistent" if busy else "", remove="" if busy else "persistent")
        if busy:
            self._say("info", "Signing, and waiting for the laboratory's answer …")


def _sentence(text: str) -> str:
    """An error's words as a sentence; an id or a name at its beginning stays as it is."""
    first = text.strip().partition(" ")[0]
    begun = f"{first.capitalize()}{text.strip()[len(first) :]}" if first in _OPENINGS else text.strip()
    return f"{begun}{'' if begun[-1:] in {'.', '!', '?'} else '.'}"
