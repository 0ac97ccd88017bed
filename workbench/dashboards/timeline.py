"""The plots of the page of schemas: a bar for each version, and each one's share over time."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from workbench.dashboards.style import PALETTE

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

ROW_HEIGHT = 20  # pixels
LONGEST_LABEL = 24
_FORMAT = "%Y-%m-%d %H:%M:%S"
_LAYOUT: dict[str, Any] = {
    "showlegend": False,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"size": 11},
    "hoverlabel": {
        "bgcolor": "#2b3138",
        "bordercolor": "#2b3138",
        "font": {"color": "#f1f3f5", "size": 12},
        "align": "left",
    },
    "xaxis": {"showgrid": False, "type": "date", "fixedrange": True},
    "yaxis": {"gridcolor": "rgba(128,128,128,0.18)", "fixedrange": True},
}


def bars(versions: pl.DataFrame) -> go.Figure:
    """Return a bar for each schema, from its first event to its last, a row for each type.

    Parameters
    ----------
    versions
        `workbench.tables.SCHEMA_VERSIONS`, with times.
    """
    import plotly.graph_objects as go

    types = list(dict.fromkeys(versions["type"]))
    chart = go.Figure(layout=_LAYOUT)
    for nth, rows in _nth_of_type(versions).items():
        begins = [row["first_time"] for row in rows]
        lengths = [
            max((row["last_time"] - row["first_time"]).total_seconds() * 1000, 1) for row in rows
        ]
        chart.add_bar(
            orientation="h",
            y=[types.index(row["type"]) for row in rows],
            base=[begin.strftime(_FORMAT) for begin in begins],
            x=lengths,
            marker={"color": PALETTE[nth % len(PALETTE)], "opacity": 0.85},
            text=[row["name"] for row in rows],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": "#ffffff"},
            customdata=[_said(row) for row in rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    names = dict(zip(versions["type"], versions["short_name"], strict=True))
    chart.update_layout(barmode="overlay", margin={"l": 10, "r": 10, "t": 10, "b": 26})
    chart.update_yaxes(
        tickvals=list(range(len(types))),
        ticktext=[_safe(_cut(names[type_])) for type_ in types],
        autorange="reversed",
        automargin=True,
        showgrid=False,
    )
    return chart


def _nth_of_type(versions: pl.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Return the rows that are the first of their type, those that are the second, and so on."""
    counted: dict[str, int] = {}
    found: dict[int, list[dict[str, Any]]] = {}
    for row in versions.to_dicts():
        nth = counted.get(row["type"], 0)
        counted[row["type"]] = nth + 1
        found.setdefault(nth, []).append(row)
    return found


def _said(row: dict[str, Any]) -> str:
    lines = [
        f"{row['short_name']} {row['name']}",
        f"{row['count']:,} events, {100 * row['share']:.3g} % of the type",
        f"positions {row['first_position']:,} to {row['last_position']:,}",
        *row["began_with"],
    ]
    return "<br>".join(_safe(line) for line in lines)


def shares_figure(shares: pl.DataFrame, names: list[str]) -> go.Figure:
    """Return the share of each schema of a type over time, stacked to 100 %.

    Parameters
    ----------
    shares
        `workbench.dashboards.versions.SHARES`.
    names
        The schemas in their order.
    """
    import plotly.graph_objects as go

    chart = go.Figure(layout=_LAYOUT)
    for nth, name in enumerate(names):
        mine = shares.filter(name=name)
        chart.add_bar(
            x=mine["time"].dt.strftime(_FORMAT).to_list(),
            y=(mine["share"] * 100).to_list(),
            marker={"color": PALETTE[nth % len(PALETTE)], "line": {"width": 0}},
            name=_safe(name),
            customdata=mine["count"].to_list(),
            hovertemplate=f"{_safe(name)}: %{{y:.1f}} %, %{{customdata:,}} events<extra></extra>",
        )
    chart.update_layout(barmode="stack", bargap=0, margin={"l": 46, "r": 10, "t": 10, "b": 26})
    chart.update_yaxes(range=[0, 100], ticksuffix=" %", nticks=3)
    return chart


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"


def _safe(name: str) -> str:
    """Return text that Plotly shows as it is: it takes some tags for markup, and $ for maths."""
    return html.escape(name, quote=False).replace("$", "&#36;")
