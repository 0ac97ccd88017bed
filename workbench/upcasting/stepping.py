"""In a process of the user's code: stored events become events of their classes, step by step.

What the library's `Mapper.to_domain_event` does in one call is done here in its parts, so
that it can be said which one failed: the class is found, the payload decoded, the id made,
each upcaster run, and the object made.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import polars as pl

from workbench.errors import UnknownClassError
from workbench.payload.decode import TIME_CLOSES, TIME_ENDS, after_time
from workbench.projections.domain import decoded_lines
from workbench.upcasting.wire import AGAIN, IDLE, ROW, TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.upcasting.loading import Loaded

FIND, DECODE, ID, MAKE = "find the class", "decode", "make the id", "make the event"
"""Steps that are none of the user's upcasters."""
AT_ONCE = 1024
MOST_KNOWN = 200_000  # ids that are kept as objects
_NO_TIME = '{"timestamp":0,'
_ZONE = b"+00:00"


class Broken(NamedTuple):
    """In the place of a state: the step that failed, and why."""

    step: str
    error: str
    message: str


def broken(step: str, error: BaseException) -> Broken:
    """Return what is told of an exception."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001, of a user's class
        message = ""
    return Broken(step, type(error).__name__, message[:1_000])


class Kind(NamedTuple):
    """How events of one stored type are made."""

    stored: str
    """The type as it is stored."""
    kind: type | None
    code: int | None
    """The version of the class."""
    is_uuid: bool
    early: Broken | None
    """Why none is made, whatever its payload."""
    odd: Broken | None
    """Why none is made of a payload that can be decoded."""
    late: Broken | None
    """Why none is made of a state that has been upcast."""
    is_named: bool
    """Whether the type's module is one that the user named."""


class Chunk(NamedTuple):
    """Events of one type that have been decoded."""

    kind: Kind
    rows: list[int]
    """Which rows of the job they are."""
    part: pl.DataFrame
    states: list[Any]
    """What was decoded, with the ids; or `Broken`."""
    versions: list[Any]
    """The stored versions; they are in the states no more."""
    is_plain: bool
    """Whether nothing but the library's own transcodings were used."""
    has_times: bool
    """Whether the states hold the time, which is left out where nobody looks at it."""


class Stepper:
    """Makes events as the library's mapper does.

    Parameters
    ----------
    loaded
        The user's classes, and the transcoder.
    watched
        Where it is told which event is under way.
    """

    def __init__(self, loaded: Loaded, watched: memoryview) -> None:
        self.classes = loaded.classes
        self._transcoder = loaded.transcoder
        self._is_standard = loaded.is_standard
        self._watched = watched
        self._kinds: dict[str, Kind] = {}
        self._ids: dict[str, UUID] = {}
        self._routes: dict[tuple[str, int], list[tuple[str, Callable[[Any], object]]]] = {}

    def watch(self, row: int, *, again: bool = False) -> None:
        """Tell that user's code begins to work on a row; `IDLE` where none does."""
        watched = self._watched
        watched[AGAIN] = again
        watched[ROW] = row
        watched[TICK] += 1

    def kind(self, type_: str) -> Kind:
        """Return how events of a type are made."""
        found = self._kinds.get(type_)
        if found is None:
            found = self._kinds[type_] = self._found(type_)
        return found

    def _found(self, type_: str) -> Kind:
        from eventsourcing import utils
        from eventsourcing.persistence import find_id_convertor, str_to_uuid_convertor

        module = type_.partition(":")[0]
        is_named = module in self.classes.modules or module in utils._topic_cache  # noqa: SLF001
        try:
            kind = self.classes.resolve(type_)
        except UnknownClassError as error:
            # What to do about it is for whoever has not named the module.
            said = str(error).partition(". Named are: ")[0] if is_named else str(error)
            early = Broken(FIND, type(error).__name__, said)
            return Kind(type_, None, None, False, early, None, None, is_named)  # noqa: FBT003
        odd = late = None
        is_uuid = False
        try:
            is_uuid = find_id_convertor(kind, str) is str_to_uuid_convertor
        except Exception as error:  # noqa: BLE001, what the library says of a class
            odd = broken(ID, error)
        try:
            object.__setattr__(object.__new__(kind), "__dict__", {})
        except Exception as error:  # noqa: BLE001, the same
            late = broken(MAKE, error)
        code = getattr(kind, "class_version", 1)
        return Kind(type_, kind, code, is_uuid, None, odd, late, is_named)

    def chunks(self, frame: pl.DataFrame, *, times: bool = False) -> Iterator[Chunk]:
        """Yield the events of a job, type by type, decoded a thousand at a time.

        Parameters
        ----------
        frame
            A row an event: row, position, stream, version, type, schema_version, time,
            data, problem, raw.
        times
            Whether states hold the time also where nobody's code looks at it.
        """
        for (type_,), group in frame.group_by("type", maintain_order=True):
            kind = self.kind(str(type_))
            is_odd = group["problem"].is_not_null() | group["data"].is_null()
            for odd, rows in ((False, group.filter(~is_odd)), (True, group.filter(is_odd))):
                for part in rows.iter_slices(AT_ONCE):
                    yield self.chunk(kind, part, odd=odd, times=times)

    def chunk(self, kind: Kind, part: pl.DataFrame, *, odd: bool, times: bool = False) -> Chunk:
        """Return a part of events of one type, decoded."""
        rows, stored = part["row"].to_list(), part["schema_version"].to_list()
        if kind.early is not None:
            return Chunk(kind, rows, part, [kind.early] * len(rows), stored, True, True)  # noqa: FBT003
        # Whose events run no step, the times are not looked at.
        may_skip = not times and isinstance(kind.code, int) and _least(stored) >= kind.code
        states = None if odd or not self._is_standard else _decoded(part, may_skip=may_skip)
        is_plain = states is not None
        if states is None:
            states, may_skip = [self._one(row) for row in part.iter_rows(named=True)], False
        versions = self._with_ids(kind, part, states, stored, quick=may_skip)
        return Chunk(kind, rows, part, states, versions, is_plain, not may_skip)

    def _one(self, row: dict[str, Any]) -> Any:  # noqa: ANN401, a state of any kind, or Broken
        """Return what the transcoder makes of one payload."""
        state, raw = row["data"], row["raw"]
        if raw is not None:
            state = raw
        elif state is None:
            return Broken(DECODE, "MapperDeserialisationError", row["problem"] or "no payload")
        else:
            state = state.encode()
        self.watch(row["row"])
        try:
            return self._transcoder.decode(state)
        except BaseException as error:  # noqa: BLE001, what a user's transcoding raises
            told = broken(DECODE, error)
            said = f"{told.error}: {told.message}"
            # The library raises this, whatever is the matter.
            return Broken(DECODE, "MapperDeserialisationError", said)
        finally:
            self.watch(IDLE)

    def _with_ids(
        self,
        kind: Kind,
        part: pl.DataFrame,
        states: list[Any],
        stored: list[Any],
        *,
        quick: bool,
    ) -> list[Any]:
        """Put the ids into states, and take out the versions, as the mapper does.

        Where it is to be quick, nobody looks at the ids, and they are only tried.
        """
        streams, numbers = part["stream"].to_list(), part["version"].to_list()
        if quick and kind.odd is None and self._are_ids(kind, streams):
            return list(map(dict.pop, states, repeat("class_version"), repeat(1)))
        versions: list[Any] = []
        known = self._ids
        for i, state in enumerate(states):
            version = stored[i]
            if state.__class__ is not Broken:
                try:
                    if kind.odd is not None:
                        states[i] = kind.odd
                    else:
                        step, stream = ID, streams[i]
                        id_ = (known.get(stream) or self._id(stream)) if kind.is_uuid else stream
                        step = MAKE
                        state["originator_id"] = id_
                        state["originator_version"] = numbers[i]
                        version = state.pop("class_version", 1)
                except Exception as error:  # noqa: BLE001, a state that is no dict among them
                    states[i] = broken(step, error)
            elif state.step == DECODE and not _is_json(part["data"][i]):
                version = None
            versions.append(version)
        return versions

    def _are_ids(self, kind: Kind, streams: list[str]) -> bool:
        """Return whether streams can be made ids, which are then known."""
        if kind.is_uuid:
            try:
                for stream in set(streams).difference(self._ids):
                    self._id(stream)
            except (ValueError, AttributeError, TypeError):
                return False
        return True

    def _id(self, stream: str) -> UUID:
        if len(self._ids) >= MOST_KNOWN:
            self._ids.clear()
        found = self._ids[stream] = UUID(stream)
        return found

    def upcast(
        self,
        kind: Kind,
        state: Any,  # noqa: ANN401, of any kind
        version: Any,  # noqa: ANN401, as it was stored
        row: int,
    ) -> Broken | None:
        """Bring a state to the version of its class, in place; return what failed, if any did."""
        self.watch(row)
        try:
            return self.bring(kind, state, version)
        finally:
            self.watch(IDLE)

    def bring(self, kind: Kind, state: Any, version: Any) -> Broken | None:  # noqa: ANN401
        """Do what `upcast` does, where the caller tells which event is under way."""
        step = MAKE
        try:
            if type(version) is int and type(kind.code) is int:
                for step, upcaster in self._route(kind, version):  # noqa: B007, told if it raises
                    upcaster(state)
            else:
                while version < kind.code:
                    step = f"upcast_v{version}_v{version + 1}"
                    getattr(kind.kind, step)(state)
                    version += 1
        except BaseException as error:  # noqa: BLE001, SystemExit too ends nothing but this event
            return broken(step, error)
        return kind.late

    def _route(self, kind: Kind, version: int) -> list[tuple[str, Callable[[Any], object]]]:
        """Return the upcasters from a version to that of the class, up to the first that is none.

        That one raises what looking for it raises.
        """
        found = self._routes.get((kind.stored, version))
        if found is None:
            found = self._routes[kind.stored, version] = []
            for number in range(version, kind.code or 0):
                name = f"upcast_v{number}_v{number + 1}"
                try:
                    found.append((name, getattr(kind.kind, name)))
                except Exception:  # noqa: BLE001, what a user's class raises
                    found.append((name, partial(_look_up, kind.kind, name)))
                    break
        return found


def _look_up(kind: type | None, name: str, _: Any) -> object:  # noqa: ANN401, a state
    return getattr(kind, name)


def _is_json(text: str | None) -> bool:
    try:
        json.loads(text or "")
    except (ValueError, RecursionError):
        return False
    return True


def _least(stored: list[Any]) -> float:
    return min((v for v in stored if v is not None), default=float("inf"))


def _decoded(part: pl.DataFrame, *, may_skip: bool) -> list[Any] | None:
    """Return states as the library's own transcodings decode them; None if it cannot be sure."""
    texts = part["data"]
    if may_skip and not part["time"].null_count():
        rest = _after_utc(texts)
        texts = texts if rest is None else pl.select(_NO_TIME + rest).to_series()
    try:
        return decoded_lines(texts)
    except (ValueError, ArithmeticError, RecursionError, TypeError, MemoryError):
        return None


def _after_utc(texts: pl.Series) -> pl.Series | None:
    """Return what comes after the time, if every text begins with a time in UTC."""
    zones = texts.cast(pl.Binary).bin.slice(TIME_ENDS - len(TIME_CLOSES) - len(_ZONE), len(_ZONE))
    return after_time(texts) if zones.bin.starts_with(_ZONE).all() else None
