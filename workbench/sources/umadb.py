"""A UmaDB server, read through its own client: as a DCB store, or as an application's recorder.

Events come in batches down one stream of answers, and become frames in threads. Tags and
types are selected by the server. UmaDB keeps no time of an event beside its payload.
"""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from workbench import tables
from workbench.errors import AccessDeniedError, StoreUnreadableError
from workbench.sources.base import Capabilities, Selection
from workbench.sources.memory import fitting
from workbench.sources.servers import Patience, in_lots, place_of
from workbench.sources.umadb_frames import frame_of, needed_columns
from workbench.sources.umadb_link import PORT, Link
from workbench.sources.umadb_query import query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    import polars as pl

    from workbench.sources.base import Part

OPTIONS = ("tls", "ca", "tracking")
LARGEST = 2**63
BATCHES_A_PART = 8  # the server sends at most 1,024 events, or 4 MiB, at once
LAST_SEEN = 5_000  # events that are looked at for whom the store tracks


def open_url(url: str, application: str | None = None) -> UmaSource:
    """Return the events of the UmaDB server at `umadb://host:port`.

    Parameters
    ----------
    url
        `umadb://:APIKEY@host:port?tls=true&ca=server.pem&tracking=shop`. TLS is used where
        `tls=true`, a certificate `ca` or a key is given. Else the key and the certificate
        are those of `UMADB_API_KEY` and `UMADB_CA_PATH`. Each `tracking` names a source
        that the store may track.
    application
        What to call the application; the server does not know.

    Raises
    ------
    UnknownTargetError
        If the URL is none.
    ServerUnreachableError, AccessDeniedError
        If no such server answers, or it refuses the key.
    """
    source = UmaSource(Link(place_of(url, OPTIONS, port=PORT)), application)
    source.head()
    return source


@dataclass(frozen=True)
class UmaSource:
    """The events of a UmaDB server."""

    link: Link
    application: str | None = None

    @property
    def name(self) -> str:
        """Where the server is."""
        return self.link.place.hosts

    @property
    def kind(self) -> str:
        """What it is."""
        return "UmaDB"

    @property
    def capabilities(self) -> Capabilities:
        """Total order without holes, tags, and whom the store tracks; no times."""
        return Capabilities(
            total_order=True,
            time_index=False,
            live=True,
            receivers=True,
            own_numbers=True,
            tags=True,
        )

    @property
    def first_schema_version(self) -> int | None:
        """1, as in all of eventsourcing 9."""
        return 1

    def head(self) -> int | None:
        """The last position."""
        with self.link.client() as client, self.link.translated():
            head: int | None = client.head()
            return head

    def tail(self) -> int | None:
        """The first position."""
        found = self._first_at(0)
        return None if found is None else int(found.position)

    def _first_at(self, position: int) -> Any | None:  # noqa: ANN401, an event of the client's
        """Return the first event from a position on."""
        with self.link.client() as client, self.link.translated():
            response = client.read(start=position, limit=1)
            found = response.next_batch()
            return found[0] if found else None

    def count(self, selection: Selection) -> int:
        """The number of events in `selection`: of a range by its ends, since there are no holes."""
        if selection.is_empty:
            return 0
        bounds = Selection(after=selection.after, upto=selection.upto, limit=selection.limit)
        if selection != bounds:
            with self.parts(selection, ("position",)) as parts:
                return sum(part().height for part in parts)
        head = self.head() or 0
        upto = head if selection.upto is None else min(selection.upto, head)
        found = max(0, upto - max(selection.after or 0, 0))
        return found if selection.limit is None else min(found, selection.limit)

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself, and a UUID's 32 hex digits."""
        value = str(stream)
        try:
            return frozenset({value, UUID(value).hex})
        except ValueError:
            return frozenset({value})

    def state(self, position: int) -> bytes | None:
        """The stored bytes of one event."""
        if not 0 < position < LARGEST:
            return None
        found = self._first_at(position)
        return bytes(found.event.data) if found and found.position == position else None

    def snapshots(self) -> pl.DataFrame:
        """None: `eventsourcing-umadb` stores no snapshots."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """Whom this store tracks: sources named in the URL, or by one of the last events.

        UmaDB records how far a source has been processed together with the events that
        came of it, and can be asked for a source by its name alone.
        """
        with self.link.client() as client, self.link.translated():
            response = client.read(backwards=True, limit=LAST_SEEN)
            seen = {e.tracking_info.source for e in response if e.tracking_info is not None}
            names = sorted(seen.union(self.link.place.options.get("tracking", ())))
            found = [(name, client.get_tracking_info(name)) for name in names]
        rows = [
            {"receiver": self.application or self.name, "follows": name, "position": position}
            for name, position in found
            if position is not None
        ]
        return tables.RECEIVERS.frame(rows)

    @contextmanager
    def waiting(self) -> Iterator[Callable[[float], object]]:
        """A function that returns when an event has come, or after some seconds.

        A thread of its own listens to the server. If the server is lost it only waits, and
        who asks for the head then finds out.
        """
        news = threading.Event()
        with self.link.client() as client:
            with self.link.translated():
                subscription = client.subscribe(after=client.head())

            def listen() -> None:
                with suppress(Exception):  # lost, or ended below
                    while subscription.next_batch():
                        news.set()

            def wait(seconds: float) -> None:
                news.wait(seconds)
                news.clear()

            listener = threading.Thread(target=listen, name="workbench-umadb")
            listener.start()
            try:
                yield wait
            finally:
                subscription.cancel()
                listener.join()

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows, some batches of answers a part; frames are made in threads."""
        with closing(self._batches(selection)) as batches:
            yield self._parts(batches, selection, columns)

    def _parts(
        self, batches: Iterator[list[Any]], selection: Selection, columns: Collection[str]
    ) -> Iterator[Part]:
        needed = needed_columns(columns, selection)
        conditions = fitting(selection)
        left = selection.limit
        for lot in in_lots(batches, BATCHES_A_PART if left is None else 1):
            events = list(chain.from_iterable(lot))
            if left is None:
                yield partial(_of_batch, events, needed, conditions, columns)
                continue
            # How many of them fit has to be known before more is asked for.
            frame = _chosen(events, needed, conditions).head(left)
            left -= frame.height
            yield partial(_of_frame, frame, columns)
            if left <= 0:
                return

    def _batches(self, selection: Selection) -> Generator[list[Any], None, None]:
        """Yield the events that the server selects, and go on where a restart ended the answers.

        A server that shuts down ends its answers as if there were no more events. So what
        was asked for is asked again from the last event on, until nothing comes and the
        server is still there.
        """
        if selection.is_empty or (selection.after or 0) >= LARGEST:
            return
        last, upto = max(selection.after or 0, 0), None
        patience = Patience(self.link.place)
        while upto is None or last < upto:
            seen = last
            try:
                with self.link.client() as client, self.link.translated():
                    if upto is None:  # what comes later belongs to the next reading
                        head = client.head() or 0
                        upto = head if selection.upto is None else min(selection.upto, head)
                        patience.renew()
                        if last >= upto:
                            return
                    for batch in self._answers(client, selection, last, upto):
                        patience.renew()
                        last = batch[-1].position
                        yield batch
                    if last == seen:
                        client.head()
                        return
            except AccessDeniedError:
                raise
            except StoreUnreadableError as error:
                patience.wait(error, last)

    def _answers(
        self,
        client: Any,  # noqa: ANN401, the client may not be installed
        selection: Selection,
        last: int,
        upto: int,
    ) -> Iterator[list[Any]]:
        query, exact = query_of(selection)
        most = None if query is not None else upto - last
        if exact and selection.limit is not None:
            most = selection.limit if most is None else min(most, selection.limit)
        response = client.read(query=query, start=last + 1, limit=most)
        try:
            while batch := response.next_batch():
                if batch[-1].position > upto:
                    within = [event for event in batch if event.position <= upto]
                    if within:
                        yield within
                    return
                yield batch
                if batch[-1].position == upto:
                    return
        finally:
            response.cancel()


def _chosen(events: list[Any], needed: Collection[str], conditions: list[pl.Expr]) -> pl.DataFrame:
    return frame_of(events, needed).filter(*conditions)


def _of_batch(
    events: list[Any],
    needed: Collection[str],
    conditions: list[pl.Expr],
    columns: Collection[str],
) -> pl.DataFrame:
    return _of_frame(_chosen(events, needed, conditions), columns)


def _of_frame(frame: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    return frame.select(name for name in frame.columns if name in columns)
