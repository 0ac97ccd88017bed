"""Upcasting every stored event with the user's classes, and telling what happens."""

from __future__ import annotations

import tempfile
import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from workbench.classes import modules_of
from workbench.errors import UpcasterError
from workbench.progress import shown
from workbench.tables import UNRESOLVED, UPCAST_FAILURES, UPCAST_FIELDS, UPCASTS
from workbench.upcasting.census import Counter
from workbench.upcasting.code import code_of
from workbench.upcasting.crew import Crew, OutOfTimeError
from workbench.upcasting.feeding import Span, feed, limited, processes, without_event
from workbench.upcasting.report import UpcasterReport
from workbench.upcasting.wire import Census, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench.classes import Named
    from workbench.history import History
    from workbench.reading import Progress
    from workbench.upcasting.crew import Task

STOPPED = "Stopped"
"""The error of an event that ended its process, or did not come to an end."""
EVENT_LIMIT_S = 5.0
_FIELDS = ("lost", "filled", "changed type", "defaulted", "missing", "extra")


def check_upcasters(
    history: History,
    classes: Named | Sequence[Named],
    *,
    time_limit_s: float | None = None,
    event_limit_s: float = EVENT_LIMIT_S,
    progress: bool | Callable[[Progress], None] = True,
) -> UpcasterReport:
    """Return what becomes of every stored event when it is upcast with these classes.

    The user's code runs in processes of its own. They get events, not the store, and answer
    with counts. An event at which a process ends, or that takes too long, is a failure like
    any other; all others are still done.

    Parameters
    ----------
    history
        The events.
    classes
        Modules, classes or application classes, which stand for their modules, or texts
        `[NAME=]WHERE[@REVISION]`: a module, a file or a folder. No other module is imported
        for a stored type. With `NAME=` the code is loaded under the name by which stored
        types know it. The transcodings that an application in these modules registers are
        used.
    time_limit_s
        Seconds for the whole; what is found until then is returned. None is no limit.
    event_limit_s
        Seconds that the code may take for one event.
    progress
        Whether to show a bar, or a function that is told how far it has come.

    Raises
    ------
    UpcasterError
        If the code cannot be loaded, or no stored type is of a module that was named.
    RevisionError
        If there is no such git revision.
    RangeError
        If a limit is not above zero.

    Notes
    -----
    An event succeeds if `eventsourcing.persistence.Mapper.to_domain_event` of release 9.5 makes
    an object of it. That validates nothing: a stored version above that of the class, and
    fields that are missing or not declared, pass in silence. Here they are counted.

    The stored version is `class_version` in the payload, 1 where it is absent. An event is
    `idempotent` if its upcasters, run once more on what they have made, change nothing: so
    an event that was saved in the new form with the old number would survive. It is
    `unstable` if it comes to something else when it is decoded and upcast a second time.

    The processes cannot change this one, and end with it. They are limited in memory and
    time, and have no access to its input and output. They are no jail: the code may do what
    it may do when you import it.

    Payloads are deciphered and decompressed before, as `open_history` was told.

    Examples
    --------
    >>> from workbench import open_history
    >>> from workbench.samples import shop_path
    >>> history = open_history(shop_path()).between(upto=1_000)
    >>> check_upcasters(history, "shop=workbench.samples.release_3")
    <UpcasterReport of shop=workbench.samples.release_3: 0 of 994 events fail>
    """
    begun = clock.monotonic()
    ends = limited("time_limit_s", time_limit_s)
    limited("event_limit_s", event_limit_s)
    code = code_of(classes, history.type_names())
    counter, stopped, last = Counter(), None, None
    with (
        tempfile.TemporaryDirectory(prefix="workbench-upcasting-") as folder,
        code.request("dry run") as request,
        shown(progress, f"upcasting with {code.told}") as tell,
        Crew(
            request,
            Path(folder),
            size=processes(history),
            event_limit_s=event_limit_s,
            ends=None if ends is None else begun + ends,
            drop=without_event,
        ) as crew,
    ):
        span = Span(history, tell)
        try:
            for task in crew.run(feed(history)):
                _add(counter, task)
                span.done(task.frame)
                last = task.frame["position"][-1]
        except OutOfTimeError:
            stopped = f"the time limit of {time_limit_s:g} s was reached"
    return _report(
        history, counter, span.events, last, clock.monotonic() - begun, stopped, code.told
    )


def _add(counter: Counter, task: Task) -> None:
    """Add what became of some events, those included that have ended a process."""
    if task.answer is not None:
        try:
            counter.add(msgspec.json.decode(task.answer, type=Census))
        except msgspec.DecodeError:
            task.untried.append((task.left, "its process answered with something else"))
    for row, reason in task.deaths:
        position = row["position"]
        path = (row["type"], row["schema_version"], _code_version(counter, row["type"]))
        counter.events(path, position, position, 1)
        counter.fail(
            Failed(position, row["stream"], row["version"], *path, _step(path), STOPPED, reason)
        )
    for frame, _ in task.untried:
        for (type_, version), group in frame.group_by("type", "schema_version"):
            path = (str(type_), _number(version), _code_version(counter, str(type_)))
            positions = group["position"]
            counter.events(path, positions[0], positions[-1], group.height).untried += group.height


def _number(version: Any) -> int | None:  # noqa: ANN401, of a key of Polars
    return None if version is None else int(version)


def _step(path: tuple[str, int | None, int | None]) -> str:
    """Return what an event was at when it ended its process, as far as it can be told."""
    _, stored, code = path
    if stored is None or (code is not None and stored >= code):
        return "decode"
    return f"upcast_v{stored}_v{stored + 1}" if code in {None, stored + 1} else f"upcast_v{stored}…"


def _code_version(counter: Counter, type_: str) -> int | None:
    """Return the version of a type's class, if another event has told it."""
    return next((c for t, _, c in counter.paths if t == type_ and c is not None), None)


def _report(
    history: History,
    counter: Counter,
    events: int,
    last: int | None,
    seconds: float,
    stopped: str | None,
    told: str,
) -> UpcasterReport:
    unresolved = _unresolved(counter)
    elsewhere = unresolved.filter(~pl.col("is_named"))
    if events and elsewhere["events"].sum() == events:
        msg = (
            f"Cannot upcast {history.name!r} with {told}: no stored type is of a module that was "
            f"named. Its types are of {', '.join(modules_of(elsewhere['type'])) or 'no module'}. "
            "Name these, or load yours under that name: 'shop=release_2.py'."
        )
        raise UpcasterError(msg)
    rows = [msgspec.structs.asdict(count) for count in counter.fields]
    fields = UPCAST_FIELDS.frame(_renamed(rows)).sort("type", "stored_version", "what", "path")
    return UpcasterReport(
        paths=_paths(counter, fields),
        failures=_failures(counter),
        fields=fields,
        unresolved=unresolved,
        events=events,
        last_position=last,
        seconds=seconds,
        stopped=stopped,
        code=told,
    )


def _renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {"stored": "stored_version", "code": "code_version"}
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def _paths(counter: Counter, fields: pl.DataFrame) -> pl.DataFrame:
    key = ["type", "stored_version", "code_version"]
    counted = fields.group_by(key).agg(
        (pl.col("what") == what).sum().cast(pl.Int64).alias(what.replace(" ", "_"))
        for what in _FIELDS
    )
    rows = _renamed([msgspec.structs.asdict(count) for count in counter.paths.values()])
    schema = {n: d for n, d in UPCASTS.schema.items() if n not in counted.columns or n in key}
    found = pl.DataFrame(rows, schema=schema).join(counted, on=key, how="left", nulls_equal=True)
    names = [what.replace(" ", "_") for what in _FIELDS]
    filled = found.with_columns(pl.col(names).fill_null(0))
    return UPCASTS.conform(filled).sort("type", "stored_version", "code_version")


def _failures(counter: Counter) -> pl.DataFrame:
    rows = _renamed([msgspec.structs.asdict(failure) for failure in counter.failures])
    columns = {name: [row[name] for row in rows] for name in UPCAST_FAILURES.names}
    return UPCAST_FAILURES.frame(columns).sort("position", maintain_order=True)


def _unresolved(counter: Counter) -> pl.DataFrame:
    rows = [
        {
            "type": type_,
            "events": found.events,
            "is_named": found.is_named,
            "reason": found.reason,
            "first_position": found.first_position,
            "last_position": found.last_position,
        }
        for type_, found in sorted(counter.unresolved.items())
    ]
    return UNRESOLVED.frame(rows)
