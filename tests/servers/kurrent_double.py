"""A double of a KurrentDB server: not the product, but its protocol, as far as the tests go.

It stands on the stubs that the client itself ships, and speaks real gRPC on loopback. What
it does was written down from the client's code: it can show that the workbench speaks the
protocol, and not that the product behaves so. Commit positions have holes, as they have there.
"""

from __future__ import annotations

import base64
import itertools
import re
import threading
from concurrent import futures
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2
from kurrentdbclient.protos.v1 import (
    persistent_pb2,
    persistent_pb2_grpc,
    shared_pb2,
    status_pb2,
    streams_pb2,
    streams_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEP = 137
"""From one commit position to the next."""
CREATED = datetime(2025, 3, 1, tzinfo=UTC)
_TICKS = 10_000_000  # a second's


@dataclass
class Recorded:
    """An event as it lies in the log."""

    stream: str
    revision: int
    commit: int
    metadata: dict[str, str]
    custom: bytes
    data: bytes
    id: str

    @property
    def type(self) -> str:
        return self.metadata["type"]

    def answer(self) -> Any:
        event = streams_pb2.ReadResp.ReadEvent.RecordedEvent(
            id=shared_pb2.UUID(string=self.id),
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=self.stream.encode()),
            stream_revision=self.revision,
            prepare_position=self.commit,
            commit_position=self.commit,
            metadata=self.metadata,
            custom_metadata=self.custom,
            data=self.data,
        )
        read = streams_pb2.ReadResp.ReadEvent(event=event, commit_position=self.commit)
        return streams_pb2.ReadResp(event=read)


@dataclass
class Log:
    """All events, and what was asked."""

    events: list[Recorded] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    subscriptions: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """The names of the calls, and the filters of reads."""
    ends_after: int | None = None
    """End each stream of answers after so many events, as a shutdown does."""
    hangs_after: int | None = None
    """Say nothing more after so many events."""
    is_strict: bool = False
    """Take no position to read from but that of an event, as servers before 25.1 do."""
    is_up: bool = True

    def of(self, stream: str) -> list[Recorded]:
        return [event for event in self.events if event.stream == stream]


class Streams(streams_pb2_grpc.StreamsServicer):
    """The double of the service that reads and appends."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def Read(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802, the protocol's
        options = request.options
        is_live = options.WhichOneof("count_option") == "subscription"
        fits = filter_of(options)
        self.log.asked.append(f"Read {options.filter}".strip())
        if is_live:
            confirmation = streams_pb2.ReadResp.SubscriptionConfirmation(subscription_id="1")
            yield streams_pb2.ReadResp(confirmation=confirmation)
        at = options.all.position.commit_position
        if self.log.is_strict and at and at not in {event.commit for event in self.log.events}:
            context.abort(
                grpc.StatusCode.UNKNOWN, "Unexpected FilteredReadAllResult: InvalidPosition"
            )
        found = self.begin(options)
        if found is None:
            yield streams_pb2.ReadResp(stream_not_found=streams_pb2.ReadResp.StreamNotFound())
            return
        limit = None if is_live else options.count
        chosen = itertools.islice((event for event in found if fits(event)), limit)
        for number, event in enumerate(chosen):
            if number == self.log.ends_after:
                return
            if number == self.log.hangs_after:
                with self.log.changed:
                    self.log.changed.wait_for(lambda: not (context.is_active() and self.log.is_up))
            yield event.answer()
        if is_live:
            yield from self.follow(context, options, fits)

    def begin(self, options: Any) -> list[Recorded] | None:
        backwards = options.read_direction == streams_pb2.ReadReq.Options.Backwards
        if options.WhichOneof("stream_option") == "stream":
            stream = options.stream
            events = self.log.of(stream.stream_identifier.stream_name.decode())
            how = stream.WhichOneof("revision_option")
            at = [(event.revision, event) for event in events]
            first = stream.revision
            if not events:
                return None if options.WhichOneof("count_option") == "count" else []
        else:
            how = options.all.WhichOneof("all_option")
            at = [(event.commit, event) for event in self.log.events]
            first = options.all.position.commit_position
        if how == "end":
            return [e for _, e in reversed(at)] if backwards else []
        if how == "start":
            return [e for _, e in at]
        return [
            e
            for n, e in (reversed(at) if backwards else at)
            if (n <= first if backwards else n >= first)
        ]

    def follow(self, context: Any, options: Any, fits: Any) -> Iterator[Any]:
        name, seen = options.stream.stream_identifier.stream_name.decode(), len(self.log.events)
        while context.is_active() and self.log.is_up:
            with self.log.changed:
                self.log.changed.wait(0.05)
            new, seen = self.log.events[seen:], len(self.log.events)
            yield from (e.answer() for e in new if fits(e) and name in {"", e.stream})

    def BatchAppend(self, requests: Any, context: Any) -> Iterator[Any]:  # noqa: N802, as above
        for request in requests:
            self.log.asked.append("BatchAppend")
            yield self.append(request)

    def append(self, request: Any) -> Any:
        stream = request.options.stream_identifier.stream_name.decode()
        how = request.options.WhichOneof("expected_stream_position")
        with self.log.changed:
            before = self.log.of(stream)
            now = before[-1].revision if before else None
            wanted = {
                "any": now,
                "no_stream": None,
                "stream_position": request.options.stream_position,
            }
            if how in wanted and wanted[how] != now:
                return refused(request, now)
            for number, message in enumerate(request.proposed_messages):
                commit = STEP * (len(self.log.events) + 1)
                at = int(CREATED.timestamp()) + len(self.log.events)
                self.log.events.append(
                    Recorded(
                        stream,
                        (-1 if now is None else now) + 1 + number,
                        commit,
                        {**message.metadata, "created": str(at * _TICKS)},
                        message.custom_metadata,
                        message.data,
                        message.id.string,
                    )
                )
            self.log.changed.notify_all()
        success = streams_pb2.BatchAppendResp.Success(
            current_revision=self.log.events[-1].revision,
            position=shared_pb2.AllStreamPosition(commit_position=commit, prepare_position=commit),
        )
        return streams_pb2.BatchAppendResp(correlation_id=request.correlation_id, success=success)


def refused(request: Any, now: int | None) -> Any:
    problem = shared_pb2.WrongExpectedVersion()
    if now is None:
        problem.current_no_stream.SetInParent()
    else:
        problem.current_stream_revision = now
    details = any_pb2.Any()
    details.Pack(problem)
    error = status_pb2.Status(details=details)
    return streams_pb2.BatchAppendResp(correlation_id=request.correlation_id, error=error)


def filter_of(options: Any) -> Any:
    if options.WhichOneof("filter_option") != "filter":
        return lambda _: True
    by = options.filter.WhichOneof("filter")
    expression = getattr(options.filter, by)
    prefixes = tuple(expression.prefix)
    pattern = re.compile(expression.regex)

    def fits(event: Recorded) -> bool:
        name = event.type if by == "event_type" else event.stream
        return name.startswith(prefixes) if prefixes else pattern.search(name) is not None

    return fits


class Persistent(persistent_pb2_grpc.PersistentSubscriptionsServicer):
    """The double of the service that knows the persistent subscriptions."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def List(self, request: Any, context: Any) -> Any:  # noqa: N802, the protocol's
        self.log.asked.append("List")
        return persistent_pb2.ListResp(subscriptions=self.log.subscriptions)


class Login(grpc.ServerInterceptor):
    """Who refuses all but one user."""

    def __init__(self, login: str) -> None:
        self._wanted = "Basic " + base64.b64encode(login.encode()).decode()

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        said = dict(details.invocation_metadata).get("authorization")
        if said == self._wanted:
            return continuation(details)
        refuse = grpc.unary_stream_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
        )
        refuse_one = grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
        )
        return refuse_one if details.method.endswith("/List") else refuse


class KurrentDouble:
    """A double that listens on loopback; its log outlives a restart."""

    def __init__(self, certificate: tuple[Path, Path] | None = None, login: str = "") -> None:
        self.log, self.port = Log(), 0
        self._certificate, self._login = certificate, login
        self._server: Any = None
        self.start()

    @property
    def url(self) -> str:
        """What the workbench opens."""
        return f"kurrentdb://127.0.0.1:{self.port}?Tls=false"

    def start(self) -> None:
        """Listen, at the same port as before."""
        self.log.is_up = True
        interceptors = [Login(self._login)] if self._login else []
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8),
            interceptors=interceptors,
            options=[("grpc.so_reuseport", 0)],
        )
        streams_pb2_grpc.add_StreamsServicer_to_server(Streams(self.log), self._server)
        persistent_pb2_grpc.add_PersistentSubscriptionsServicer_to_server(
            Persistent(self.log), self._server
        )
        address = f"127.0.0.1:{self.port}"
        if self._certificate is None:
            self.port = self._server.add_insecure_port(address)
        else:
            certificate, key = (path.read_bytes() for path in self._certificate)
            credentials = grpc.ssl_server_credentials([(key, certificate)])
            self.port = self._server.add_secure_port(address, credentials)
        self._server.start()

    def stop(self) -> None:
        """End at once, also what is being answered."""
        with self.log.changed:
            self.log.is_up = False
            self.log.changed.notify_all()
        self._server.stop(0).wait()

    def subscription(self, group: str, source: str, checkpoint: str) -> None:
        """Keep a persistent subscription that has come so far."""
        self.log.subscriptions.append(
            persistent_pb2.SubscriptionInfo(
                event_source=source,
                group_name=group,
                status="Live",
                last_checkpointed_event_position=checkpoint,
                named_consumer_strategy="DispatchToSingle",
            )
        )
