"""A comparison as one HTML file: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from workbench.catalog import short_name
from workbench.comparing.values import DIRECTIONS
from workbench.description import html_table
from workbench.errors import ExportError

if TYPE_CHECKING:
    from workbench.comparing.comparison import Comparison
    from workbench.trials.trial import Trial

MOST_EXAMPLES = 20
_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --page: #ffffff; --line: #d0d7de;
  --head: #f3f5f7; --bad: #a40e26; --good: #116329; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --page: #0d1117; --line: #30363d; --head: #161b22;
    --bad: #ff7b72; --good: #56d364; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
  margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left;
  vertical-align: top; }
thead th { background: var(--head); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.sides { display: flex; flex-wrap: wrap; gap: 2rem; }
.sides > div { min-width: 0; max-width: 100%; }
.sides td { overflow-wrap: anywhere; }
.bad { color: var(--bad); } .good { color: var(--good); }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(comparison: Comparison, path: str | Path) -> Path:
    """Write a comparison as one HTML file; see `Comparison.report`.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    found = Path(path)
    try:
        found.write_bytes(report_bytes(comparison))
    except OSError as error:
        msg = (
            f"Cannot write the report to {str(path)!r}: {error.strerror or error}. "
            "Name a file in a folder that can be written to."
        )
        raise ExportError(msg) from error
    return found


def report_bytes(comparison: Comparison) -> bytes:
    """Return a comparison as a page of HTML, in UTF-8; what that cannot hold becomes `?`."""
    return report_of(comparison).encode("utf-8", "replace")


def report_of(comparison: Comparison) -> str:
    """Return a comparison as a page of HTML."""
    title = html.escape(f"{comparison.a.name} and {comparison.b.name}, compared")
    is_equal = comparison.equal
    kind, said = ("good", "Nothing") if is_equal else ("bad", "Something")
    found = f"{said} differs that is not accepted: {comparison.verdict}."
    parts = [
        f"<h1>{title}</h1>",
        f"<p class='{kind}'>{html.escape(found)}</p>",
        "<h2>Causes</h2>",
        _causes(comparison.causes, "What all differences at the end come down to"),
        "<h2>Tables</h2>",
        _table(comparison.summary, "Rows of each table, and how many differ"),
        _examples(comparison),
    ]
    if comparison.healed.height:
        parts += ["<h2>Healed</h2>", _causes(comparison.healed, "What differed only for a while")]
    parts += [
        "<h2>What was compared</h2>",
        _tolerance(comparison),
        "<div class='sides'>",
        _side("a", comparison.a),
        _side("b", comparison.b),
        "</div>",
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _side(side: str, trial: Trial) -> str:
    """Return what a trial ran over, and how it ended; its recipe below."""
    told = {
        "projection": trial.name,
        "events": f"{trial.events:,}",
        "last position": f"{trial.last_position:,}",
        "failures": f"{trial.failures.height:,}",
        "complete": "yes" if trial.is_complete else "no: it was interrupted",
    }
    return f"<div>{html_table(f'Trial {side}', told)}{trial.recipe._repr_html_()}</div>"


def _tolerance(comparison: Comparison) -> str:
    if not comparison.tolerance:
        return ""
    told = ", ".join(f"{column} {most}" for column, most in comparison.tolerance.items())
    return f"<p>Differences that count as none, by column: {html.escape(told)}.</p>"


def _causes(causes: pl.DataFrame, caption: str) -> str:
    if not causes.height:
        return "<p>There are no differences.</p>"
    shown = causes.with_columns(
        pl.Series("type", [_type(value) for value in causes["type"]], pl.String),
        pl.col("column").fill_null("the row"),
        pl.col("direction").replace(
            {name: f"{name}: {meaning}" for name, meaning in DIRECTIONS.items()}
        ),
        pl.col("examples").list.join(", "),
        pl.col("accepted").fill_null("no"),
    )
    return _table(shown.rename({"type": "first differing event"}), caption)


def _type(value: str | None) -> str:
    return "not known" if value is None else short_name(value)


def _examples(comparison: Comparison) -> str:
    """Return the first divergences of each table, with both sides' values."""
    parts = []
    for one in comparison.found:
        lasting = one.divergences(MOST_EXAMPLES, lasts=True)
        if not lasting.height:
            continue
        told = [
            *one.key_columns(lasting),
            *("position", "type", "column"),
            *("a_before", "a_after", "b_before", "b_after"),
        ]
        many = int(one.items["lasts"].sum())
        caption = f"{one.name}: the first {lasting.height:,} of {many:,} differences, by event"
        parts.append(_table(lasting.select(told), caption))
    return f"<h2>Where they began</h2>{''.join(parts)}" if parts else ""


def _table(frame: pl.DataFrame, caption: str) -> str:
    heads = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in frame.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in frame.rows())
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td class='number'>{value:,}</td>"
    return f"<td>{'' if value is None else html.escape(str(value))}</td>"
