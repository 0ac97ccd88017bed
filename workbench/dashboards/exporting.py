"""Tables as files and as the Python that makes them: what stands below every table.

What is exported is the frame that a call returns, all of it, not the rows on the screen.
"""

from __future__ import annotations

import asyncio
import base64
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from workbench.dashboards.markup import code_block, escaped
from workbench.dashboards.parts import column, download, failure, loading, text
from workbench.dashboards.session import present
from workbench.dashboards.ways import Ways
from workbench.errors import WorkbenchError
from workbench.export import TIME_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from workbench.dashboards.parts import Text
    from workbench.dashboards.session import Session

FORMS = {"CSV": ".csv", "Parquet": ".parquet"}
WAYS = [
    ("CSV", "Save the whole table as CSV"),
    ("Parquet", "Save the whole table as Parquet"),
    ("Python", "Show the Python that returns this table"),
]
MOST_INLINE_BYTES = 8_000_000
"""How large a file may be that is put into the page, where no server hands it out."""


@dataclass(frozen=True, slots=True)
class Export:
    """A table that can be exported."""

    name: str
    """What its file is called, without an ending."""
    frame: Callable[[], pl.DataFrame | pl.LazyFrame]
    """Makes the table, all of it."""
    code: str | None = None
    """The Python that makes the same table; None where there is no such call."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A table that was exported."""

    name: str
    form: str
    """'CSV', 'Parquet', 'Python' or 'JSON'; of another file its ending, such as 'html'."""
    rows: int | None
    """None for what is no table, and for Python, of which nobody knows what it will return."""
    size_bytes: int


def write(found: pl.DataFrame | pl.LazyFrame, path: Path, form: str) -> int:
    """Return how many rows of a table were written to a file: a 'CSV' or 'Parquet'.

    In a CSV file a cell that is a list or a struct is JSON, and times are ISO 8601 in UTC.
    """
    heights: list[int] = []

    def counted(frame: pl.DataFrame) -> pl.DataFrame:
        heights.append(frame.height)
        return frame

    rows = found.lazy().map_batches(counted, streamable=True)
    if form == "CSV":
        schema = found.collect_schema()
        flat = [_flat(name, dtype) for name, dtype in schema.items() if dtype.is_nested()]
        rows.with_columns(flat).sink_csv(path, datetime_format=TIME_FORMAT)
    else:
        rows.sink_parquet(path)
    return sum(heights)


def _flat(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a nested column as JSON."""
    if isinstance(dtype, pl.Struct):
        return pl.col(name).struct.json_encode()
    wrapped = pl.struct(pl.col(name).alias("")).struct.json_encode()
    inner = wrapped.str.slice(len('{"":')).str.head(-len("}"))
    return pl.when(pl.col(name).is_not_null()).then(inner).alias(name)


def file_name(name: str, form: str) -> str:
    """Return what a file is called, whatever the table's name holds.

    Examples
    --------
    >>> file_name('types of "shop"', "CSV")
    'types-of-shop.csv'
    """
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "table") + FORMS[form]


class ExportBar:
    """The three ways out of a table: a CSV file, a Parquet file, and Python."""

    def __init__(self) -> None:
        self._session = present()
        self._export: Export | None = None
        self._open: str | None = None
        self._told: Text | None = None

    @cached_property
    def _ways(self) -> Ways:
        return Ways("Export", WAYS, self._act)

    @cached_property
    def view(self) -> pn.Column:
        """What Panel shows for it, made once a table is shown."""
        return column(self._ways)

    def show(self, export: Export) -> None:
        """Offer a table, in place of the one before."""
        self._export = export
        self._open = None
        if self._told is not None:
            self._told.param.update(object="", visible=False)
        offered = WAYS if export.code is not None else WAYS[:-1]
        if self._ways.ways != offered:
            self._ways.ways = offered

    def _tell(self, html: str) -> None:
        if self._told is None:  # few tables are exported
            self._told = text(html)
            self.view.append(self._told)
        else:
            self._told.param.update(object=html, visible=True)

    async def _act(self, form: str) -> None:
        export = self._export
        if export is None:
            return
        if self._open == form == "Python" and self._told is not None:
            self._open = None
            self._told.visible = False
            return
        self._open = form
        if form != "Python":
            self._tell(loading("Writing…"))
        try:
            made = await asyncio.to_thread(made_of, export, form, self._session)
        except (WorkbenchError, OSError, pl.exceptions.PolarsError) as error:
            made = failure(error)
        if self._export is export:
            self._tell(made)


def made_of(export: Export, form: str, session: Session) -> str:
    """Return the HTML that hands out a table; who looks after exports is told before."""
    if form == "Python":
        code = export.code or ""
        session.tell(Exported(export.name, form, None, len(code.encode())))
        return code_block(code)
    name = file_name(export.name, form)
    if session.shelf is None:
        with tempfile.TemporaryDirectory(prefix="workbench-export-") as folder:
            return _inline(export, form, session, Path(folder) / name)
    path = session.shelf.place()
    rows = write(export.frame(), path, form)
    size = path.stat().st_size
    session.tell(Exported(export.name, form, rows, size))
    address = session.shelf.put(path, name)
    # The frame begins the download at once; the link is for a browser that does not.
    return (
        f'<p class=note>{rows:,} rows: <a href="{address}" download="{name}">{escaped(name)}</a>'
        f', {size:,} B</p><iframe src="{address}" title="{escaped(name)}" hidden></iframe>'
    )


def _inline(export: Export, form: str, session: Session, path: Path) -> str:
    """Return a link that holds the file itself."""
    rows = write(export.frame(), path, form)
    content = path.read_bytes()
    if len(content) > MOST_INLINE_BYTES:
        said = f"{len(content):,} B are too many to be put into a notebook."
        return f"<p class=note>{said} Run the Python instead.</p>{code_block(export.code or '')}"
    session.tell(Exported(export.name, form, rows, len(content)))
    held = base64.b64encode(content).decode()
    return (
        f'<p class=note>{rows:,} rows: <a href="data:application/octet-stream;base64,{held}" '
        f'download="{path.name}">Save {escaped(path.name)}</a>, {len(content):,} B</p>'
    )


class Download:
    """A button that hands out a file, which is made once it is asked for.

    Whoever looks after exports is told before, as with tables.

    Parameters
    ----------
    label
        What stands on it.
    """

    def __init__(self, label: str) -> None:
        self._session = present()
        self.view = download(label)

    def offer(self, name: str, file: str, make: Callable[[], bytes]) -> None:
        """Offer a file, in place of the one before.

        Parameters
        ----------
        name
            What it is, for the audit.
        file
            What it is called where it is saved.
        make
            Makes what is in it.
        """

        def handed() -> BytesIO:
            content = make()
            form = Path(file).suffix.lstrip(".") or "bytes"
            self._session.tell(Exported(name, form, None, len(content)))
            return BytesIO(content)

        self.view.param.update(callback=handed, filename=file)
