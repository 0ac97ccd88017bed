"""A KurrentDB or EventStoreDB server, read through its own client: all streams, or one.

The position of an event is its commit position, in one stream too: it grows, with large
holes. Events of the system are left out. Streams and types are selected by the server,
which takes one filter at a time; the rest is selected here.
"""

from __future__ import annotations

import json
import re
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from workbench import tables
from workbench.errors import AccessDeniedError, StoreUnreadableError, UnknownStreamError
from workbench.sources.base import Capabilities, Selection
from workbench.sources.kurrentdb_frames import SNAPSHOT_PREFIX, frame_of, is_ordinary
from workbench.sources.kurrentdb_link import PORT, Link
from workbench.sources.memory import fitting
from workbench.sources.servers import Patience, in_lots, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    import polars as pl

    from workbench.sources.base import Part

OPTIONS = (
    *("Tls", "ConnectionName", "MaxDiscoverAttempts", "DiscoveryInterval", "GossipTimeout"),
    *("NodePreference", "TlsVerifyCert", "DefaultDeadline", "KeepAliveInterval"),
    *("KeepAliveTimeout", "TlsCaFile", "UserCertFile", "UserKeyFile"),
)
ALL = "$all"
SYSTEM = (r"\$.+",)  # the types of the system's own events
LARGEST = 2**63
LARGEST_FILTER = 2**14  # characters of names that the server is asked to look for
ROWS_A_PART = 4_096
ROWS_AT_A_LIMIT = 100


def open_url(url: str, application: str | None = None) -> KurrentSource:
    """Return the events of the server at `kurrentdb://host:port`, or of one stream there.

    Parameters
    ----------
    url
        `kurrentdb://user:password@host:port/stream?Tls=false`, with the options of the
        server's own connection strings; no stream, or `$all`, is all of them. The schemes
        `esdb`, `kdb`, and each with `+discover`, are known too. A user and a password that
        are not in the URL are looked for in `KURRENTDB_USERNAME` and `KURRENTDB_PASSWORD`.
    application
        What to call the application; the server does not know.

    Raises
    ------
    UnknownTargetError
        If the URL is none, or TLS is wanted without a user and a password.
    ServerUnreachableError, AccessDeniedError
        If no such server answers, or it refuses the user.
    UnknownStreamError
        If it has no such stream.
    """
    place = place_of(url, OPTIONS, port=PORT)
    stream = None if place.path in {"", ALL} else place.path
    source = KurrentSource(Link(place), stream, application)
    if source.head() is None and stream is not None:
        msg = (
            f"Cannot find the stream {stream!r} at {place.hosts}: it has no events, or never "
            f"had. Check its name, or leave it out to see all: {place.scheme}://{place.hosts}."
        )
        raise UnknownStreamError(msg)
    return source


@dataclass(frozen=True)
class KurrentSource:
    """The events of a server, or of one of its streams."""

    link: Link
    stream: str | None = None
    application: str | None = None

    @property
    def name(self) -> str:
        """The stream, else where the server is."""
        return self.link.place.hosts if self.stream is None else self.stream

    @property
    def kind(self) -> str:
        """What it is."""
        return "KurrentDB" if self.stream is None else "KurrentDB, one stream"

    @property
    def capabilities(self) -> Capabilities:
        """Total order with holes; times are the server's, without an index."""
        return Capabilities(
            total_order=True,
            time_index=False,
            live=True,
            receivers=True,
            own_numbers=False,
            stated=frozenset({"time"}),
        )

    @property
    def first_schema_version(self) -> int | None:
        """1, as in all of eventsourcing 9."""
        return 1

    def head(self) -> int | None:
        """The last commit position."""
        return self._edge(backwards=True)

    def tail(self) -> int | None:
        """The first commit position."""
        return self._edge(backwards=False)

    def _edge(self, *, backwards: bool) -> int | None:
        """Return the position of the first event from an end that is not the system's."""
        with self.link.client() as client, self.link.translated():
            if self.stream is not None:
                answers = client.read_stream(self.stream, backwards=backwards)
            else:
                answers = client.read_all(backwards=backwards, filter_exclude=SYSTEM)
            with self.link.guarded(answers) as events:
                found = next((e for e in events if self._belongs(e)), None)
            return None if found is None else int(found.commit_position)

    def _belongs(self, event: Any) -> bool:  # noqa: ANN401, the client may not be installed
        return self.stream is not None or is_ordinary(event)

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`, by reading them."""
        with self.parts(selection, ("position",)) as parts:
            return sum(part().height for part in parts)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself, and a UUID with and without dashes."""
        value = str(stream)
        try:
            return frozenset({value, UUID(value).hex, str(UUID(value))})
        except ValueError:
            return frozenset({value})

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event."""
        if not 0 <= position < LARGEST:
            return None
        from kurrentdbclient.exceptions import InvalidCommitPositionError

        with self.link.client() as client, self.link.translated():
            # What one stream lacks, all streams may have: it is looked for there in any case.
            answers = client.read_all(commit_position=position, filter_exclude=SYSTEM, limit=1)
            try:
                with self.link.guarded(answers) as events:
                    found = next(events, None)
            except InvalidCommitPositionError:
                return None
        if found is None or found.commit_position != position or not self._belongs(found):
            return None
        return bytes(found.data) if self.stream in {None, found.stream_name} else None

    def snapshots(self) -> pl.DataFrame:
        """The snapshots that `eventsourcing_kurrentdb` stores, in streams of their own."""
        if self.stream is not None:
            return tables.SNAPSHOTS.frame()
        found = []
        with self.link.client() as client, self.link.translated():
            prefix = (SNAPSHOT_PREFIX,)
            answers = client.read_all(
                filter_include=prefix, filter_by_stream_name=True, filter_by_prefix=True
            )
            with self.link.guarded(answers) as events:
                found = [_snapshot(event) for event in events]
        return tables.SNAPSHOTS.frame(found).sort("stream", "version")

    def receivers(self) -> pl.DataFrame:
        """The persistent subscriptions, to all streams and to single ones.

        The position of one to a single stream is the commit position of the event that it
        has come to; it is null where that event is gone, or none was processed. When it moved
        is not told by the client.
        """
        with self.link.client() as client, self.link.translated():
            found = client.list_subscriptions(timeout=self.link.timeout_s)
            rows = [
                {
                    "receiver": one.group_name,
                    "follows": one.event_source,
                    "position": self._checkpoint(client, one),
                }
                for one in found
                if self.stream in {None, one.event_source}
            ]
        return tables.RECEIVERS.frame([self._with_lag(row) for row in rows]).sort(
            "receiver", "follows"
        )

    def _with_lag(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a receiver with the events that it has not processed, counted by reading them."""
        if row["position"] is None:
            return row
        followed = replace(self, stream=None if row["follows"] == ALL else row["follows"])
        unread, waited = Selection(after=row["position"]), 0.0
        behind = followed.count(unread)
        if behind:
            with followed.parts(replace(unread, limit=1), {"time"}) as parts:
                (first,) = next(parts)()["time"]
            waited = max(0.0, (datetime.now(UTC) - first).total_seconds())
        return row | {"lag_events": behind, "lag_s": waited}

    def _checkpoint(self, client: Any, subscription: Any) -> int | None:  # noqa: ANN401, as above
        said = subscription.last_checkpointed_event_position
        if subscription.event_source == ALL:
            commit = re.match(r"C:(\d+)/P:\d+$", said)
            return None if commit is None else int(commit[1])
        if not said.isdigit():
            return None
        found = self._first_at(client, subscription.event_source, int(said))
        return None if found is None else int(found.commit_position)

    def _first_at(self, client: Any, stream: str, revision: int) -> Any:  # noqa: ANN401, as above
        """Return the first event of a stream from a revision on, None if there is none."""
        answers = client.read_stream(stream, stream_position=revision, limit=1)
        with self.link.guarded(answers) as events:
            return next(events, None)

    @contextmanager
    def waiting(self) -> Iterator[Callable[[float], object]]:
        """A function that returns when an event has come, or after some seconds.

        A thread of its own listens to a catch-up subscription. If the server is lost it only
        waits, and who asks for the head then finds out.
        """
        with self.link.client() as client, self.link.translated():
            if self.stream is not None:
                news = client.subscribe_to_stream(self.stream, from_end=True)
            else:
                news = client.subscribe_to_all(from_end=True, filter_exclude=SYSTEM)
            with self.link.listening(news) as wait:
                yield wait

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows, some thousand answers a part; frames are made in threads."""
        with closing(self._events(selection)) as events:
            yield self._parts(events, selection, columns)

    def _parts(
        self, events: Iterator[Any], selection: Selection, columns: Collection[str]
    ) -> Iterator[Part]:
        conditions, left = fitting(selection), selection.limit
        for batch in in_lots(events, ROWS_A_PART if left is None else ROWS_AT_A_LIMIT):
            if left is None:
                yield partial(_chosen, batch, conditions, columns)
                continue
            # How many of them fit has to be known before more is asked for.
            frame = frame_of(batch).filter(*conditions).head(left)
            left -= frame.height
            yield partial(_of_columns, frame, columns)
            if left <= 0:
                return

    def _events(self, selection: Selection) -> Generator[Any, None, None]:
        """Yield the events that the server selects, and go on where a restart ended the answers.

        What is stored meanwhile belongs to the next reading. Answers that end before the last
        event was there are asked for again, as those of a server that shuts down are.
        """
        last = -1 if selection.after is None else max(selection.after, -1)
        if selection.is_empty or last >= LARGEST:
            return
        head = self.head()
        upto = -1 if head is None else head
        upto = upto if selection.upto is None else min(selection.upto, upto)
        patience = Patience(self.link.place)
        patience.renew()
        while last < upto:
            seen = last
            try:
                for event in self._unread(selection, last, upto):
                    patience.renew()
                    last = event.commit_position
                    if self._belongs(event):
                        yield event
                if last == seen:
                    self.head()
                    return
            except (AccessDeniedError, UnknownStreamError):
                raise
            except StoreUnreadableError as error:
                patience.wait(error, max(last, 0))

    def _unread(self, selection: Selection, last: int, upto: int) -> Iterator[Any]:
        """Yield the events after a position that the server selects, in one stream of answers."""
        from kurrentdbclient.exceptions import InvalidCommitPositionError

        with self.link.client() as client, self.link.translated():
            try:
                answers = self._answers(client, selection, last)
                yield from self._between(answers, last, upto)
            except InvalidCommitPositionError:
                # Servers before 25.1 take the position of an event, and no other.
                answers = self._answers(client, selection, -1)
                yield from self._between(answers, last, upto)

    def _between(self, answers: Any, last: int, upto: int) -> Iterator[Any]:  # noqa: ANN401, as above
        with self.link.guarded(answers) as events:
            for event in events:
                if event.commit_position > upto:
                    return
                if event.commit_position > last:  # they begin with the one at the position
                    yield event

    def _answers(self, client: Any, selection: Selection, last: int) -> Any:  # noqa: ANN401
        streams = selection.streams
        if self.stream is not None:
            revision = self._revision_after(client, self.stream, last)
            return client.read_stream(self.stream, stream_position=revision)
        begin = None if last < 0 else last
        if streams is not None and _size(streams) <= LARGEST_FILTER:
            names = [re.escape(name) for name in sorted(streams)]
            return client.read_all(
                commit_position=begin, filter_include=names, filter_by_stream_name=True
            )
        types = selection.types
        if types is not None and _size(types) <= LARGEST_FILTER:
            names = [re.escape(name) for name in sorted(types)]
            return client.read_all(commit_position=begin, filter_include=names)
        return client.read_all(commit_position=begin, filter_exclude=SYSTEM)

    def _revision_after(self, client: Any, stream: str, last: int) -> int | None:  # noqa: ANN401
        """Return the revision from which the stream is to be read: by halving, since it grows."""
        if last < 0:
            return None
        with self.link.guarded(client.read_stream(stream, backwards=True, limit=1)) as events:
            newest = next(events, None)
        low, high = 0, 0 if newest is None else newest.stream_position + 1
        while low < high:
            middle = (low + high) // 2
            found = self._first_at(client, stream, middle)
            if found is None or found.commit_position > last:
                high = middle
            else:
                low = found.stream_position + 1
        return low


def _size(names: Collection[str]) -> int:
    return sum(map(len, names))


def _snapshot(event: Any) -> dict[str, Any]:  # noqa: ANN401, the client may not be installed
    try:
        said = json.loads(event.metadata)
        version = said["originator_version"] if isinstance(said, dict) else None
    except (ValueError, KeyError):
        version = None
    return {
        "stream": event.stream_name.removeprefix(SNAPSHOT_PREFIX),
        "version": version + 1 if isinstance(version, int) else None,
        "type": event.type,
    }


def _chosen(events: list[Any], conditions: list[pl.Expr], columns: Collection[str]) -> pl.DataFrame:
    return _of_columns(frame_of(events).filter(*conditions), columns)


def _of_columns(frame: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if name in columns)
