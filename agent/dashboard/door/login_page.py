"""The login's page: plain HTML that needs no script."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal

from agent.dashboard.door.settings import DoorSettings

Theme = Literal["light", "dark", "auto"]


@dataclass(frozen=True)
class LoginForm:
    """What the page shows.

    Args:
        lab: the laboratory's id.
        token: that the form brings back.
        next: where to go then, a path of the dashboard.
        name: typed before.
        trouble: why it is shown again; empty at first.
        note: what to know beforehand; empty where there is nothing.
        theme: of the browser.
        version: of the style sheets.
        own_keys: whether the directory of keys is not where people's keys are: then the files stand open.
    """

    lab: str
    token: str = field(repr=False)
    next: str = ""
    name: str = ""
    trouble: str = ""
    note: str = ""
    theme: Theme = "auto"
    version: str = ""
    own_keys: bool = False


def login_page(form: LoginForm, settings: DoorSettings) -> str:
    """The page as HTML; every value in it is escaped."""
    lab, prefix = escape(form.lab), escape(settings.prefix)
    dark = {"dark": "body--dark", "light": "body--light", "auto": "lw-auto"}[form.theme]
    trouble = f'<p class="lw-note bad" role="alert">{escape(form.trouble)}</p>' if form.trouble else ""
    note = f'<p class="lw-note" role="status">{escape(form.note)}</p>' if form.note else ""
    invalid = ' aria-invalid="true"' if form.trouble else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Log in · {lab}</title>
<link rel="icon" href="{prefix}/static/icon.svg?v={escape(form.version)}">
<link rel="stylesheet" href="{prefix}/static/labwright.css?v={escape(form.version)}">
<link rel="stylesheet" href="{prefix}/static/login.css?v={escape(form.version)}">
</head>
<body class="lw-door {dark}">
<main class="lw-door-card">
<p class="lw-door-mark" aria-hidden="true"><img src="{prefix}/static/icon.svg?v={escape(form.version)}" alt=""
 width="32" height="32"> Labwright</p>
<h1>Log in to {lab}</h1>
{trouble}{note}
<form method="post" action="{prefix}/login" enctype="multipart/form-data">
<input type="hidden" name="csrf" value="{escape(form.token)}">
<input type="hidden" name="next" value="{escape(form.next)}">
<label for="name">Name</label>
<input id="name" name="name" type="text" value="{escape(form.name)}" autocomplete="username" autocapitalize="none"
 autocorrect="off" spellcheck="false" maxlength="64"{"" if form.name else " autofocus"}{invalid}>
<label for="password">Password of your key</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="1024"{" autofocus" if form.name else ""}{invalid}>
<details{" open" if form.own_keys else ""}>
<summary>My key is not on this machine</summary>
<p class="lw-meta" id="files-help">Choose both files that <code>labwright identity new</code> made:
NAME.public.json and NAME.private.json. The private one is encrypted with your password and is kept in memory
until you log out.</p>
<label for="files">Both files of your key</label>
<input id="files" name="files" type="file" multiple accept=".json,application/json" aria-describedby="files-help">
</details>
<button type="submit">Log in</button>
</form>
<p class="lw-meta">Your key proves who you are. What you may do is what the laboratory says of you.</p>
</main>
</body>
</html>
"""
