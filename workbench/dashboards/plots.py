"""Figures of a history and of a trial, to be restyled: each shows a frame that a call returns.

Grounds are transparent and greys are those between, so that a figure can be read on light and
on dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import polars as pl

from workbench.dashboards.markup import escaped
from workbench.dashboards.style import OTHER_COLOUR, PALETTE

if TYPE_CHECKING:
    from workbench.catalog import By, Within
    from workbench.history import History
    from workbench.trials.trial import Trial

GREY = "#808995"
"""Text that can be read on white and on black."""
MOST = 10
"""How many types are told apart; the rest are one."""
OTHER = "others"
LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": GREY, "size": 12},
    "margin": {"l": 60, "r": 20, "t": 44, "b": 44},
    "height": 380,
    "colorway": list(PALETTE),
    "legend": {"font": {"size": 11}},
    "xaxis": {"gridcolor": "rgba(128,128,128,0.2)", "zeroline": False},
    "yaxis": {"gridcolor": "rgba(128,128,128,0.2)", "zeroline": False, "automargin": True},
}


@dataclass(frozen=True)
class HistoryPlots:
    """The plots of a history; each is a Plotly figure."""

    history: History

    def rate(self, every: str = "1d", by: By = "type") -> go.Figure:
        """Return the events in each window of time, as `History.rate`.

        Raises
        ------
        RangeError
            If `every` is no duration or `by` is none of the three.
        """
        found = _few(self.history.rate(every, by).with_columns(group=pl.col("by")))
        found = found.group_by("time", "group").agg(pl.col("count").sum()).sort("time")
        chart = _figure(f"Events per {every}", "time", "events", barmode="stack", bargap=0)
        for name, rows in _groups(found):
            chart.add_bar(
                x=rows["time"].to_list(),
                y=rows["count"].to_list(),
                name=escaped(name),
                marker={"color": _colour(name, found), "line": {"width": 0}},
            )
        return chart

    def intervals(self, within: Within = "stream") -> go.Figure:
        """Return how long after the one before an event happens, as `History.intervals`.

        Raises
        ------
        RangeError
            If `within` is neither 'stream' nor 'type'.
        """
        found = self.history.intervals(within)
        found = _few(found.filter(pl.col("below_s") > 0).with_columns(group=pl.col("by")))
        found = found.group_by("at_least_s", "below_s", "group").agg(pl.col("count").sum())
        found = found.sort("below_s")
        chart = _figure(
            f"Time since the event before, of one {within}",
            "time between events",
            "events",
            barmode="stack",
            bargap=0,
        )
        chart.update_xaxes(type="category", categoryarray=_said(found), categoryorder="array")
        for name, rows in _groups(found):
            chart.add_bar(
                x=_said(rows),
                y=rows["count"].to_list(),
                name=escaped(name),
                marker={"color": _colour(name, found), "line": {"width": 0}},
            )
        return chart

    def versions(self) -> go.Figure:
        """Return when each schema version was written, as `Schemas.versions` of the history."""
        found = self.history.schemas().versions.filter(pl.col("first_time").is_not_null())
        chart = _figure("Schema versions", "time", "", showlegend=False)
        chart.update_yaxes(autorange="reversed", type="category")
        chart.update_layout(height=max(220, 26 * found["short_name"].n_unique() + 110))
        numbers = found.select(n=pl.int_range(pl.len()).over("type"))["n"]
        for number, row in zip(numbers, found.iter_rows(named=True), strict=True):
            name = escaped(row["short_name"])
            said = f"{name}, version {escaped(row['name'])}: {row['count']:,} events"
            chart.add_scatter(
                x=[row["first_time"], row["last_time"]],
                y=[name, name],
                mode="lines+markers",
                line={"width": 8, "color": PALETTE[number % len(PALETTE)]},
                marker={"size": 9},
                name=escaped(row["name"]),
                hovertemplate=said + "<br>%{x}<extra></extra>",
            )
        return chart

    def lag(self) -> go.Figure:
        """Return how many events each receiver has not processed, as `History.receivers`."""
        found = self.history.receivers().sort("lag_events", descending=True, nulls_last=True)
        chart = _figure("Lag of receivers", "events that are not processed", "", showlegend=False)
        chart.update_yaxes(autorange="reversed", type="category")
        names = found.select(pl.format("{} of {}", "receiver", "follows"))
        waited = [
            "unknown" if s is None else f"the oldest has waited {s:,.0f} s" for s in found["lag_s"]
        ]
        chart.add_bar(
            x=found["lag_events"].to_list(),
            y=[escaped(name) for name in names.to_series()],
            customdata=waited,
            hovertemplate="%{y}: %{x:,} events, %{customdata}<extra></extra>",
            orientation="h",
            marker={"color": PALETTE[0]},
        )
        return chart


@dataclass(frozen=True)
class TrialPlots:
    """The plots of a trial; each is a Plotly figure."""

    trial: Trial

    def cell(self, key: object, column: str, *, table: str | None = None) -> go.Figure:
        """Return what a cell held from which position on, as `Trial.explain` of the cell.

        Raises
        ------
        UnknownTableError
            If the trial has no such table, or several and none is named.
        UnknownRowError
            If the table never had such a row, or has no such column.
        """
        found = self.trial.explain(key, column, table=table)
        positions, values = found["position"].to_list(), found["after"].to_list()
        if positions and positions[-1] < self.trial.last_position:
            positions, values = [*positions, self.trial.last_position], [*values, values[-1]]
        is_number = found["after"].dtype.is_numeric()
        chart = _figure(
            f"{escaped(column)} of {escaped(str(key))}",
            "position",
            escaped(column),
            showlegend=False,
        )
        chart.add_scatter(
            x=positions,
            y=values if is_number else [None if v is None else escaped(str(v)) for v in values],
            mode="lines+markers",
            line={"shape": "hv", "width": 2, "color": PALETTE[0]},
            marker={"size": 5},
            hovertemplate="position %{x:,}: %{y}<extra></extra>",
        )
        return chart


def _figure(title: str, x: str, y: str, **layout: object) -> go.Figure:
    chart = go.Figure(layout={**LAYOUT, **layout})
    chart.update_layout(title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left"})
    chart.update_xaxes(title_text=x)
    chart.update_yaxes(title_text=y)
    return chart


def _few(found: pl.DataFrame) -> pl.DataFrame:
    """Return counts in which all but the largest groups are one."""
    sums = found.group_by("group").agg(pl.col("count").sum())
    largest = sums.sort("count", "group", descending=[True, False])["group"].head(MOST)
    is_large = pl.col("group").is_in(largest.implode())
    return found.with_columns(
        pl.when(is_large).then("group").otherwise(pl.lit(OTHER)).alias("group")
    )


def _groups(found: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Return the rows of each group, the largest first."""
    return [
        (str(name), found.filter(pl.col("group").eq_missing(pl.lit(name))))
        for name in _names(found)
    ]


def _names(found: pl.DataFrame) -> list[Any]:
    sums = found.group_by("group").agg(pl.col("count").sum())
    is_last = pl.col("group") == OTHER
    return sums.sort(is_last, -pl.col("count"), "group")["group"].to_list()


def _colour(name: str, found: pl.DataFrame) -> str:
    names = [str(one) for one in _names(found)]
    return OTHER_COLOUR if name == OTHER else PALETTE[names.index(name) % len(PALETTE)]


def _said(found: pl.DataFrame) -> list[str]:
    """Return the bounds of each interval in words."""
    return [f"under {in_units(below)}" for below in found["below_s"]]


def in_units(seconds: float) -> str:
    """Return a length of time in the unit that fits.

    Examples
    --------
    >>> in_units(0.0001), in_units(10), in_units(3600), in_units(86400 * 10)
    ('100 µs', '10 s', '1 h', '10 d')
    """
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
