"""Draws a report for people: a table of all rules by theme, then what failed and what to do about it."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from instruments.conformance.report import Finding, Report, Verdict
from instruments.profile.legibility import printable

_MARKS: dict[Verdict, tuple[str, str]] = {
    "passed": ("passed", "green"),
    "failed": ("FAILED", "bold red"),
    "skipped": ("skipped", "yellow"),
}
_LONGEST = 240


def draw(report: Report, *, place: str = "") -> RenderableType:
    """The whole report.

    Args:
        report: what to draw.
        place: where the device was checked, in words.
    """
    parts: list[RenderableType] = [_headline(report, place), Text()]
    parts += [_table(report), Text()]
    for finding in report.by("failed"):
        parts.append(_explanation(finding))
    parts.append(_summary(report))
    return Group(*parts)


def show(report: Report, *, place: str = "", console: Console | None = None) -> None:
    """Print a report."""
    (console or Console()).print(draw(report, place=place))


def _headline(report: Report, place: str) -> Text:
    said = [printable(report.about.get(key, "")) for key in ("kind", "driver", "serial")]
    line = Text(report.iid, style="bold")
    line.append("".join(f", {text}" for text in said if text), style="not bold")
    if place:
        line.append(f"\n{place}", style="not bold dim")
    return line


def _table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="bold dim")
    table.add_column("rule", no_wrap=True)
    table.add_column("the profile demands", ratio=1)
    table.add_column("verdict", no_wrap=True)
    table.add_column("seen", ratio=1, overflow="fold")
    for number, (theme, findings) in enumerate(groupby(report.findings, key=lambda f: f.theme)):
        if number:
            table.add_row()
        table.add_row("", Text(theme, style="bold"))
        for finding in findings:
            word, style = _MARKS[finding.verdict]
            quiet = "dim" if finding.verdict == "skipped" else ""
            table.add_row(
                Text(finding.rule, style=style if finding.verdict == "failed" else quiet),
                Text(finding.demand, style=quiet),
                Text(word, style=style),
                Text(_short(printable(finding.seen)), style="red" if finding.verdict == "failed" else "dim"),
            )
    return table


def _explanation(finding: Finding) -> RenderableType:
    head = Text.assemble((f"{finding.rule}  {finding.title}", "bold red"))
    lines = [
        Text.assemble(("Demanded: ", "dim"), finding.demand),
        Text.assemble(("Seen: ", "dim"), printable(finding.seen)),
    ]
    if finding.advice:
        lines.append(Text.assemble(("What to do: ", "dim"), printable(finding.advice)))
    return Group(head, Padding(Group(*lines), (0, 0, 1, 2)))


def _summary(report: Report) -> Text:
    counts = [(len(report.by(verdict)), word.lower(), style) for verdict, (word, style) in _MARKS.items()]
    line = Text(", ").join(Text(f"{n} {word}", style=style if n else "dim") for n, word, style in counts)
    line.append(f" in {report.seconds:.1f} s. ")
    if report.conforms is None and report.away:
        line.append(f"{report.iid} is in {printable(report.away)} and took no orders", style="bold yellow")
        line.append(": whether it keeps the profile is not known. Check it again when it is online.")
    elif report.conforms is None:
        line.append(f"{report.iid} keeps the profile in what could be tried", style="bold yellow")
        line.append("; no job was carried out: give an example or --command.")
    elif report.conforms:
        line.append(f"{report.iid} keeps the profile", style="bold green")
        line.append(" in what could be tried." if report.by("skipped") else ".")
    else:
        line.append(f"{report.iid} does not keep the profile.", style="bold red")
    return line


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
