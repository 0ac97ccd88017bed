"""A comparison of two trials: where they differ, since which event, and for which causes."""

from __future__ import annotations

import html
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.comparing import causes
from workbench.comparing.pairing import check_columns, differences_of, pairs_of, tolerances
from workbench.errors import ComparisonError, UnknownCauseError, UnknownTableError, near
from workbench.tables import COMPARED, CORRECTIONS, DIVERGENCES
from workbench.trials.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from workbench.comparing.differences import TableDifferences
    from workbench.comparing.minimal import MinimalExample
    from workbench.comparing.values import Tolerance

MOST_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Comparison:
    """Where two trials, a and b, differ; made by `compare`.

    What differs at the end is a difference. A cell that differed only for a while has
    healed: it is in `divergences` and `healed`, and in none of the others.
    """

    a: Trial
    """The one trial, such as the base."""
    b: Trial
    """The other trial, such as the new version."""
    tolerance: Mapping[str, Tolerance]
    """The greatest difference that counts as none, by column."""
    accepted: Mapping[str, str]
    """Why causes are intended, by the cause's name."""
    found: tuple[TableDifferences, ...] = field(repr=False)

    # In short

    @property
    def equal(self) -> bool:
        """Whether there is no difference that is not accepted."""
        return self.causes["accepted"].null_count() == 0

    @cached_property
    def causes(self) -> pl.DataFrame:
        """What all differences come down to: `workbench.tables.CAUSES`, the largest first."""
        return causes.causes(self.found, self.accepted)

    @cached_property
    def healed(self) -> pl.DataFrame:
        """The same for cells and rows that differed only for a while: `CAUSES`."""
        return causes.healed(self.found)

    @cached_property
    def summary(self) -> pl.DataFrame:
        """How each pair of tables differs: `workbench.tables.COMPARED`."""
        return COMPARED.frame([_summed_up(one) for one in self.found])

    @property
    def first(self) -> pl.DataFrame:
        """The first event at which the two differ: one row, or none where they never do.

        Columns: `table`, `key` as JSON, then those of `workbench.tables.DIVERGENCES`.
        Where one event has made several cells differ, the first of them in order.
        """
        begun = [one for one in self.found if one.items["position"].null_count() == 0]
        known = [one for one in begun if one.items.height]
        if not known:
            return pl.DataFrame(schema=_FIRST)
        first = min(known, key=lambda one: int(one.items["position"][0]))
        return first.first()

    # The differences

    def rows(self, table: str | None = None) -> pl.DataFrame:
        """Return the rows that differ at the end: `workbench.tables.ROWS` and the columns.

        After the columns of `ROWS` come the key columns, with the prefix `key.` where
        another column has that name, and `<value>_a` and `<value>_b` for each value column
        that both trials have.

        Parameters
        ----------
        table
            The table, by either trial's name; may be left out where there is one pair.

        Raises
        ------
        UnknownTableError
            If no such table was compared, or several and none is named.
        """
        return self.of(table).rows()

    def divergences(self, table: str | None = None) -> pl.DataFrame:
        """Return where each cell began to differ: `workbench.tables.DIVERGENCES` and the key.

        The first row of a key is the first event at which its states differ. For tables of
        Polars functions the event is not known, and null.

        Raises
        ------
        UnknownTableError
            If no such table was compared, or several and none is named.
        """
        return self.of(table).divergences()

    def of(self, table: str | None = None) -> TableDifferences:
        """Return all that is known of one pair of tables.

        Raises
        ------
        UnknownTableError
            If no such table was compared, or several and none is named.
        """
        if table is None and len(self.found) == 1:
            return self.found[0]
        names = [one.name for one in self.found]
        if table is None:
            msg = f"Cannot tell which table is meant. Name one: {', '.join(names)}."
            raise UnknownTableError(msg)
        for one in self.found:
            if table in {one.name, one.table_a, one.table_b}:
                return one
        msg = f"Cannot find the table {table!r} in the comparison. {near(table, names)}"
        raise UnknownTableError(msg)

    def behind(self, cause: str) -> pl.DataFrame:
        """Return the differences that have a cause, as `divergences` does.

        What has healed is left out.

        Parameters
        ----------
        cause
            Its name, from the column `cause` of `causes`.

        Raises
        ------
        UnknownCauseError
            If there is no such cause.
        """
        told = self._cause(cause, "look behind")
        which = [
            pl.col(name).eq_missing(pl.lit(told[name], DIVERGENCES.schema[name]))
            for name in ("type", "schema_version", "column", "direction")
        ]
        return self.of(told["table"]).divergences(lasts=True).filter(*which)

    def _cause(self, cause: str, verb: str) -> dict[str, Any]:
        """Return the row of `causes` that has this name."""
        told = self.causes.filter(cause=cause)
        if told.is_empty():
            among = near(cause, self.causes["cause"].to_list())
            msg = f"Cannot {verb} the cause {cause!r}: there is none. {among}"
            raise UnknownCauseError(msg)
        return told.row(0, named=True)

    # What is intended

    def accept(self, cause: str, reason: str) -> Comparison:
        """Return the comparison with a cause marked as intended.

        Parameters
        ----------
        cause
            Its name, from the column `cause` of `causes`.
        reason
            Why it is intended.

        Raises
        ------
        UnknownCauseError
            If there is no such cause.
        ComparisonError
            If no reason is given.
        """
        self._cause(cause, "accept")
        if not reason.strip():
            msg = f"Cannot accept the cause {cause!r} without a reason. Say why it is intended."
            raise ComparisonError(msg)
        return replace(self, accepted={**self.accepted, cause: reason})

    # What it is good for

    def minimal(
        self, key: object, table: str | None = None, *, seconds: float = 30.0
    ) -> MinimalExample:
        """Return a few events that still show the difference of one row.

        Both projections run again and again over fewer events, in memory, until no single
        one can be left out.

        Parameters
        ----------
        key
            The row's key: one value, a tuple where the key has several columns, or a
            dictionary by column.
        table
            The table; may be left out where there is one pair.
        seconds
            How long to look at most: what is found by then comes back.

        Raises
        ------
        UnknownTableError, UnknownRowError
            If there is no such table, or no such row that differs.
        TrialError
            If a trial was loaded without its history or its projection.
        MinimalError
            If no events of the streams involved show the difference.
        """
        from workbench.comparing.minimal import minimal

        return minimal(self, key, table, seconds)

    def report(self, path: str | Path) -> Path:
        """Write the comparison as one HTML file that needs nothing else; return its path.

        Raises
        ------
        ExportError
            If it cannot be written.
        """
        from workbench.comparing.report import write_report

        return write_report(self, path)

    # What it looks like

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        found = self.causes
        accepted = found.height - found["accepted"].null_count()
        if not found.height:
            said = "no differences"
        else:
            causes_ = "cause" if found.height == 1 else "causes"
            tail = f", {accepted:,} of them accepted" if accepted else ""
            count = int(found["count"].sum())
            noun = "difference" if count == 1 else "differences"
            said = f"{count:,} {noun} of {found.height:,} {causes_}{tail}"
        healed = int(self.healed["count"].sum())
        tail = f"; {healed:,} more healed" if healed else ""
        first = self.first["position"]
        since = f"; first at position {first[0]:,}" if first.len() else ""
        return f"{said}{tail}{since}"

    def __repr__(self) -> str:
        """One line: what was compared, and what was found."""
        return f"<Comparison of {self.a.name} (a) and {self.b.name} (b): {self.verdict}>"

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(repr(self))}</p>", self.summary._repr_html_()]
        if self.causes.height:
            parts.append(f"<p><b>Causes</b></p>{self.causes.head(MOST_SHOWN)._repr_html_()}")
        return "".join(parts)


_FIRST = pl.Schema([("table", pl.String), ("key", pl.String), *DIVERGENCES.schema.items()])


def _summed_up(one: TableDifferences) -> dict[str, object]:
    changes = one.changed_rows["change"]
    both = None not in {one.rows_a, one.rows_b}
    return {
        "table": one.name,
        "rows_a": one.rows_a,
        "rows_b": one.rows_b,
        **{
            change: int((changes == change).sum()) if both else None
            for change in ("added", "removed", "changed")
        },
        "healed": one.healed_rows if both else None,
        "first_position": one.items["position"].min(),
    }


def compare(
    a: Trial,
    b: Trial,
    *,
    tolerance: Mapping[str, Tolerance] | None = None,
    tables: Mapping[str, str] | Sequence[str] | None = None,
) -> Comparison:
    """Return where two trials differ: in rows at the end, and since which event.

    The two may be of two projections, of two versions of one, or of one over two
    histories, and may have been loaded. Both change logs are read once, whole: a
    difference that comes and goes is found like one that stays. Null is a value; NaN
    equals NaN; columns of two dtypes are compared where both keep their values in one.

    Parameters
    ----------
    a, b
        The trials, such as base and new version.
    tolerance
        The greatest difference that counts as none, for columns of numbers, by column.
    tables
        Which tables belong together, a's name to b's, where they have two names; the
        others belong together by name. Or a list of those to compare.

    Raises
    ------
    UnknownTableError
        If a named table is not there, or the trials have no table in common.
    ComparisonError
        If two tables have other key columns, or a tolerance is for no column of numbers.
    """
    for side in (a, b):
        if not isinstance(side, Trial):
            msg = f"Cannot compare {side!r:.100}: it is no trial. Give what replay returned."
            raise ComparisonError(msg)
    given = tolerances(tolerance)
    found = tuple(differences_of(a, b, names, given) for names in pairs_of(a, b, tables))
    check_columns(found, given)
    return Comparison(a, b, given, {}, found)


def propose_correction(base: Trial | Comparison, edited: Trial | None = None) -> pl.DataFrame:
    """Return what has to be put right, so that a base becomes what an edited history makes of it.

    Parameters
    ----------
    base
        The trial over the history as it is; or a comparison, whose a is that trial.
    edited
        The trial over the history as it should have been.

    Returns
    -------
    pl.DataFrame
        `workbench.tables.CORRECTIONS`: cell by cell, what it is and what it should be.

    Raises
    ------
    UnknownTableError, ComparisonError
        As in `compare`.
    """
    if isinstance(base, Comparison):
        found = base
    elif edited is None:
        msg = "Cannot propose corrections from one trial. Give the one over the edited history too."
        raise ComparisonError(msg)
    else:
        found = compare(base, edited)
    return pl.concat([CORRECTIONS.frame(), *(one.corrections() for one in found.found)])
