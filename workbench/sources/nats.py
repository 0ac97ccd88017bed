"""Events in a stream of NATS JetStream, read by consumers that leave no trace.

The position of an event is its sequence in the stream: the server counts it, it never
changes, and a deleted message leaves a hole. The stream that an event belongs to is its
subject, and its time is when the server stored it.
"""

from __future__ import annotations

import base64
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench import tables
from workbench.sources.addresses import TIMEOUT_S, address_of, checked_options, number_option
from workbench.sources.base import Capabilities, Selection, as_text
from workbench.sources.messages import (
    FIELD_OPTIONS,
    NOTHING,
    STATED,
    Batch,
    Fields,
    Framing,
    fields_of,
    stated_by,
)
from workbench.sources.nats_link import ApiError, Server, ask, connected, private_loop, stream_info
from workbench.sources.nats_login import LOGIN_OPTIONS, settings_of
from workbench.sources.nats_reading import (
    MESSAGES_A_BATCH,
    MOST_SUBJECTS,
    Asked,
    Messages,
    Reader,
    delete_consumer,
    make_consumer,
    reply_offset,
)
from workbench.sources.nats_receivers import receivers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping
    from datetime import datetime

    from workbench.sources.base import Part
    from workbench.sources.messages import Header, Stated
    from workbench.sources.nats_link import StreamClient

PORT = 4222
LARGEST = 2**63 - 1
OPTIONS = (*FIELD_OPTIONS, *LOGIN_OPTIONS, "timeout", "domain")
_COUNTS = 3  # tries to count while the stream changes
_NOT_FOUND = 404
_WIDER = 100


@dataclass(frozen=True)
class NatsSource:
    """One stream of JetStream, or a bucket, which is one too."""

    server: Server
    fields: Fields = field(default_factory=Fields)
    application: str | None = None
    """Whose events these are, where the user said it."""
    bounds: Selection = field(default_factory=Selection)
    """Between which sequences it is read."""
    keeps_all: bool = True
    """Whether the stream keeps every message until someone deletes it."""

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.server.address.path

    @property
    def kind(self) -> str:
        """What it is."""
        return "NATS JetStream"

    @property
    def capabilities(self) -> Capabilities:
        """Total order, an index of times, and receivers; it announces what is new."""
        return Capabilities(
            total_order=True,
            time_index=True,
            live=True,
            receivers=True,
            own_numbers=self.keeps_all,
            stated=STATED,
        )

    @property
    def first_schema_version(self) -> int | None:
        """Unknown."""
        return None

    def head(self) -> int | None:
        """The last position at which a message is."""
        with connected(self.server) as (loop, client):
            state = loop.run(stream_info(self.server, client))["state"]
        first, last, count = state["first_seq"], state["last_seq"], state["messages"]
        if not count:
            return None
        return int(last) if last - first + 1 == count else self._last_there(last)

    def _last_there(self, last: int) -> int | None:
        """Return the last message that is there: those at the end may have been deleted."""
        after = last
        while after > 0:
            after = max(0, last - _WIDER * (last - after or 1))
            with self.parts(Selection(after=after), {"position"}) as parts:
                found = [part()["position"].max() for part in parts]
            if found:
                return max(found)  # type: ignore[type-var, return-value]
        return None

    def tail(self) -> int | None:
        """The first position: what a limit of the stream ate lies before it."""
        with connected(self.server) as (loop, client):
            state = loop.run(stream_info(self.server, client))["state"]
        return int(state["first_seq"]) if state["messages"] else None

    def ends(self) -> dict[int, int]:
        """The last sequence, also if its message is gone, as in a stream that is a queue."""
        with connected(self.server) as (loop, client):
            return {0: int(loop.run(stream_info(self.server, client))["state"]["last_seq"])}

    def within(self, after: Mapping[int, int], upto: Mapping[int, int]) -> NatsSource:
        """The same stream between two sequences."""
        return replace(self, bounds=Selection(after=after.get(0), upto=upto.get(0)))

    @contextmanager
    def waiting(self) -> Iterator[Callable[[float], object]]:
        """A function that returns when a message has come, or after some seconds.

        A consumer that lives as long pushes the headers of what is new.
        """
        news = Event()

        def wait(seconds: float) -> None:
            news.wait(seconds)
            news.clear()

        with connected(self.server) as (loop, client):
            client.sink = lambda *_: news.set()
            name = loop.run(self._announced(client))
            try:
                yield wait
            finally:
                loop.run(delete_consumer(self.server, client, name))

    async def _announced(self, client: StreamClient) -> str:
        inbox = client.new_inbox()
        client.sink_id = (await client.unless_lost(client.subscribe(inbox)))._id
        asked = Asked(0, headers_only=True)
        settings = {"deliver_policy": "new", "deliver_subject": inbox}
        return str((await make_consumer(self.server, client, asked, **settings))["name"])

    def stream_forms(self, stream: object) -> frozenset[str]:
        """The text itself."""
        return frozenset({str(stream)})

    def state(self, position: int) -> bytes | None:
        """The payload of one message."""
        if not 0 < position <= LARGEST:
            return None
        with connected(self.server) as (loop, client):
            found = loop.run(self._message(client, {"seq": position}))
        return None if found is None else base64.b64decode(found.get("data", ""))

    async def _message(self, client: StreamClient, which: dict[str, Any]) -> dict[str, Any] | None:
        try:
            found = await ask(self.server, client, f"STREAM.MSG.GET.{self.name}", which)
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            told = f"JetStream says {error.description!r}"
            raise self.server.error(told, "See its log.") from error
        message: dict[str, Any] = found["message"]
        return message

    def position_before(self, moment: datetime) -> int | None:
        """The position before the first message that was stored at `moment` or later."""
        start = moment.isoformat().replace("+00:00", "Z")
        timed = {"deliver_policy": "by_start_time", "opt_start_time": start}
        with connected(self.server) as (loop, client):
            made = loop.run(make_consumer(self.server, client, Asked(0), **timed))
            loop.run(delete_consumer(self.server, client, made["name"]))
        return int(made["delivered"]["stream_seq"])

    def snapshots(self) -> pl.DataFrame:
        """None: a stream has no snapshots."""
        return tables.SNAPSHOTS.frame()

    def receivers(self) -> pl.DataFrame:
        """The consumers of the stream: `workbench.tables.RECEIVERS`."""
        with connected(self.server) as (loop, client):
            return loop.run(receivers_of(self.server, client))

    def count(self, selection: Selection) -> int:
        """The number of messages in `selection`, counted by the server where it can."""
        selection = selection.meet(self.bounds)
        if selection.is_empty:
            return 0
        counted = self._counted(selection)
        if counted is None:
            with self.parts(selection, {"position"}) as parts:
                return sum(part().height for part in parts)
        return counted if selection.limit is None else min(counted, selection.limit)

    def _counted(self, selection: Selection) -> int | None:
        """Return the server's count, None if it cannot count that, or the stream changes."""
        left = replace(selection, after=None, upto=None, streams=None, limit=None)
        asked = self._asked(selection, headers_only=True)
        if left != Selection() or (asked.subjects is None and selection.streams is not None):
            return None
        if asked.subjects == ():
            return 0
        with connected(self.server) as (loop, client):
            for _ in range(_COUNTS):
                before = loop.run(stream_info(self.server, client))["state"]
                counted = loop.run(self._pending_between(client, asked, before["last_seq"]))
                if loop.run(stream_info(self.server, client))["state"] == before:
                    return counted
        return None

    async def _pending_between(self, client: StreamClient, asked: Asked, last: int) -> int:
        if asked.after >= last:
            return 0
        counted = await self._pending(client, asked)
        if asked.upto is not None and asked.upto < last:
            counted -= await self._pending(client, replace(asked, after=max(asked.upto, 0)))
        return counted

    async def _pending(self, client: StreamClient, asked: Asked) -> int:
        """Return how many messages a consumer would deliver, as the server counts them."""
        made = await make_consumer(self.server, client, asked)
        await delete_consumer(self.server, client, made["name"])
        return int(made["num_pending"])

    def _asked(self, selection: Selection, *, headers_only: bool) -> Asked:
        subjects = None
        if selection.streams is not None and self.fields.own_streams:
            valid = sorted(s for s in selection.streams if _is_subject(s))
            subjects = tuple(valid) if len(valid) <= MOST_SUBJECTS else None
        at_once = MESSAGES_A_BATCH
        if selection.limit is not None and selection.types is None and subjects is not None:
            at_once = min(at_once, max(selection.limit, 1))
        return Asked(
            after=max(selection.after or 0, 0),
            upto=selection.upto,
            subjects=subjects,
            headers_only=headers_only,
            at_once=at_once,
        )

    @contextmanager
    def parts(self, selection: Selection, columns: Collection[str]) -> Iterator[Iterator[Part]]:
        """The selected raw rows; messages are read a batch ahead, and made rows in a part."""
        selection = selection.meet(self.bounds)
        framing = Framing(self.fields, self.name, selection, frozenset(columns))
        asked = self._asked(selection, headers_only=not framing.reads_payloads)
        nothing = selection.is_empty or asked.subjects == () or asked.after >= LARGEST
        with closing(self._batches(asked)) as batches:
            found = (partial(_frame, b, framing, asked) for b in (() if nothing else batches))
            yield found if selection.limit is None else _limited(found, selection.limit)

    def _batches(self, asked: Asked) -> Generator[Messages, None, None]:
        """Yield the messages, while the next ones are on their way."""
        reader = Reader(self.server, asked)
        with private_loop() as loop:
            ahead = loop.start(reader.batch())
            try:
                while (found := ahead.result()) is not None:
                    ahead = loop.start(reader.batch())
                    yield found
            finally:
                ahead.cancel()
                loop.run(reader.close())


def _limited(parts: Iterator[Part], limit: int) -> Iterator[Part]:
    """Yield parts of at most `limit` rows: each has to be looked at before the next."""
    for part in parts:
        rows = part().head(limit)
        limit -= rows.height
        yield lambda rows=rows: rows  # type: ignore[misc]
        if not limit:
            return


def _is_subject(stream: str) -> bool:
    """Whether a text can be the subject of a message."""
    tokens = stream.split(".")
    return all(tokens) and not {"*", ">"} & set(tokens) and not any(map(_is_space, stream))


def _is_space(character: str) -> bool:
    return character in " \t\r\n\f\x00"


def _frame(messages: Messages, framing: Framing, asked: Asked) -> pl.DataFrame:
    """Return the raw rows of a batch."""
    count, needed = len(messages.replies), framing.needed
    at = reply_offset(messages.replies[0].split(b".")) if count else 0
    replies = pl.Series(messages.replies, dtype=pl.Binary).cast(pl.String)
    tokens = replies.str.split(".").list
    times = tokens.get(at + 7).cast(pl.Int64) if "time" in needed else replies.clear(count)
    stated: list[Stated] | None = None
    if framing.reads_headers:
        said = {h: _stated(h, framing.fields, asked) for h in set(messages.headers)}
        stated = [said[h] for h in messages.headers]
    states = messages.payloads if framing.reads_payloads else [None] * count
    return framing.frame(
        Batch(
            position=tokens.get(at + 5).cast(pl.Int64),
            partition=pl.repeat(0, count, dtype=pl.Int32, eager=True),
            stream=as_text(pl.Series(messages.subjects, dtype=pl.Binary), "replace"),
            time=times.cast(pl.Datetime("ns", "UTC")).cast(tables.TIME),
            stated=stated,
            state=pl.Series(states, dtype=pl.Binary),
        )
    )


def _stated(headers: bytes | None, fields: Fields, asked: Asked) -> Stated:
    if headers is None:
        return NOTHING
    found = _parsed(headers)
    if asked.headers_only:  # the server says the size of the payload that it leaves out
        found = [header for header in found if header[0] != "Nats-Msg-Size"]
    return stated_by(found, fields)


def _parsed(headers: bytes) -> list[Header]:
    """Return the names and values of a block of headers (NATS ADR-4)."""
    lines = headers.decode(errors="replace").split("\r\n")[1:-2]
    parts = [line.partition(":") for line in lines]
    return [(name, value.strip()) for name, _, value in parts]


def open_url(url: str, application: str | None = None, **given: object) -> NatsSource:
    """Return the source for a stream of JetStream.

    Parameters
    ----------
    url
        `nats://user:password@host:port/STREAM`, with several hosts after commas.
    application
        Whose events these are, where the user knows it.
    given
        Options beside those in the URL; see `OPTIONS`.

    Raises
    ------
    UnknownTargetError
        If the URL names no stream, or an option is not known.
    StoreNotFoundError
        If the server has no such stream.
    StoreUnreadableError
        If nobody answers, or the server refuses.
    """
    address = address_of(url, PORT, "STREAM")
    options = checked_options(address, given, OPTIONS)
    timeout_s = number_option(address, options, "timeout", float) or TIMEOUT_S
    server = Server(address, timeout_s)
    server = replace(server, settings=settings_of(server, options))
    if domain := options.get("domain"):
        server = replace(server, api=f"$JS.{domain}.API")
    with connected(server) as (loop, client):
        config = loop.run(stream_info(server, client))["config"]
    # A stream that forgets by a rule has holes that mean nothing.
    keeps_all = config.get("max_msgs_per_subject", -1) <= 0 and config["retention"] == "limits"
    return NatsSource(server, fields_of(options), application, keeps_all=keeps_all)
