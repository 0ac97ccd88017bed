"""Reading a JetStream stream in order, each message once, by a consumer that leaves no trace.

The consumer is ephemeral and acknowledges nothing; it is deleted when the reading ends, and
the server forgets it by itself after a few seconds if that was not possible. Its deliveries
are numbered: where a number is missing, or the connection was lost, reading goes on from the
message after the last one that was handed out.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.errors import ServerUnreachableError, StoreUnreadableError
from workbench.sources.nats_link import (
    CLIENT_NAME,
    ApiError,
    Lost,
    Server,
    StreamClient,
    ask,
    close,
    connect,
    stream_info,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES_A_BATCH = 10_000
BYTES_A_BATCH = 32 * 2**20
FORGOTTEN_AFTER_S = 10
"""After how long without a request the server deletes a consumer by itself."""
MOST_SUBJECTS = 200
"""How many subjects a consumer is asked to filter by."""
_RETRY_S = 0.1
_CLOSING_S = 1.0
_NS = 1_000_000_000
_NO_MESSAGES, _TIME_IS_UP = b"404", b"408"
_NOTHING_NEW = (b"100", b"409 Batch Completed")  # a heartbeat, and what the count says already
_TOO_LARGE = b"message size exceeds maxbytes"
_STATUS = len(b"NATS/1.0 ")


class Delivery(NamedTuple):
    """What a reply subject says of a delivery."""

    position: int
    number: int
    """The delivery's number among those of the consumer."""
    pending: int
    """How many messages are left after it."""


def delivery_of(reply: bytes) -> Delivery:
    """Return what a reply subject says.

    Notes
    -----
    `$JS.ACK.stream.consumer.delivered.position.number.time.pending`; newer servers may put a
    domain and an account after `ACK`, and a token at the end (NATS ADR-15).

    Examples
    --------
    >>> delivery_of(b"$JS.ACK.ORDERS.c1.1.42.7.1700000000000000000.3")
    Delivery(position=42, number=7, pending=3)
    """
    tokens = reply.split(b".")
    at = reply_offset(tokens)
    return Delivery(int(tokens[at + 5]), int(tokens[at + 6]), int(tokens[at + 8]))


def reply_offset(tokens: Sequence[bytes]) -> int:
    """Return by how many tokens a reply subject is longer at its front."""
    plain = 9
    return 0 if len(tokens) == plain else 2


@dataclass(slots=True)
class Messages:
    """Messages as they came, by column."""

    subjects: list[bytes] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    headers: list[bytes | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which messages a consumer delivers."""

    after: int
    upto: int | None = None
    subjects: tuple[str, ...] | None = None
    """Only these; all if None."""
    headers_only: bool = False
    """Whether payloads are not needed."""
    at_once: int = MESSAGES_A_BATCH
    """How many are asked for at once."""

    def consumer(self, name: str) -> dict[str, Any]:
        """Return the settings of a consumer that delivers them and is forgotten soon."""
        start: dict[str, Any] = {"deliver_policy": "all"}
        if self.after > 0:
            start = {"deliver_policy": "by_start_sequence", "opt_start_seq": self.after + 1}
        if self.subjects is not None:
            one = len(self.subjects) == 1
            start |= {"filter_subject": self.subjects[0]} if one else {}
            start |= {} if one else {"filter_subjects": list(self.subjects)}
        return start | {
            "name": name,
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "headers_only": self.headers_only,
            "inactive_threshold": FORGOTTEN_AFTER_S * _NS,
        }


async def make_consumer(
    server: Server, client: StreamClient, asked: Asked, **settings: object
) -> dict[str, Any]:
    """Make an ephemeral consumer and return what the server says of it.

    Raises
    ------
    StoreUnreadableError
        If the server refuses.
    """
    stream, name = server.address.path, f"{CLIENT_NAME}-{token_hex(8)}"
    what = f"CONSUMER.CREATE.{stream}.{name}"
    config = asked.consumer(name) | settings
    if "filter_subject" in config:
        what = f"{what}.{config['filter_subject']}"
    try:
        return await ask(server, client, what, {"stream_name": stream, "config": config})
    except ApiError as error:
        told = f"JetStream makes no consumer: {error.description}"
        raise server.error(told, "See its log.") from error


async def delete_consumer(server: Server, client: StreamClient, name: str) -> None:
    """Delete a consumer; the server forgets one by itself that cannot be deleted."""
    with suppress(ApiError, StoreUnreadableError, Lost):
        hurried = replace(server, timeout_s=min(server.timeout_s, _CLOSING_S))
        await ask(hurried, client, f"CONSUMER.DELETE.{server.address.path}.{name}")


class Reader:
    """Reads the messages that were asked for, a batch at a time, up to what there is now."""

    def __init__(self, server: Server, asked: Asked) -> None:
        self._server = server
        self._asked = asked
        self._last = max(asked.after, 0)
        self._upto = asked.upto
        self._created: str | None = None
        self._client: StreamClient | None = None
        self._consumer = ""
        self._inbox = ""
        self._number = 0
        self._found = Messages()
        self._requested = 0
        self._status: bytes | None = None
        self._wake = asyncio.Event()
        self._largest = BYTES_A_BATCH
        self._failed: StoreUnreadableError | None = None
        self._is_done = False

    async def batch(self) -> Messages | None:
        """Return the next messages, None at the end.

        Raises
        ------
        StoreNotFoundError
            If there is no such stream.
        StoreUnreadableError
            If the server does not answer, or does not come back.
        """
        clock = asyncio.get_running_loop().time
        begun = clock()
        while not self._is_done:
            if self._failed is not None:
                raise self._failed
            try:
                if self._client is None:
                    await self._begin()
                found = Messages() if self._is_done else await self._pulled()
            except (Lost, StoreUnreadableError) as error:
                was_open = self._created is not None
                await self._drop()
                if error is self._failed or not was_open:
                    raise
                if clock() - begun > self._server.timeout_s:
                    raise self._gone(error) from error
                await asyncio.sleep(_RETRY_S)
                continue
            if found.replies:
                return found
        return None

    def _gone(self, error: Exception) -> StoreUnreadableError:
        return self._server.error(
            f"the connection was lost after position {self._last:,}, and did not come back within "
            f"{self._server.timeout_s:g} s ({error})",
            f"What was read can be used; go on with between(after={self._last}).",
            ServerUnreachableError,
        )

    async def _begin(self) -> None:
        """Connect, and make a consumer of what is left to read."""
        server = self._server
        client = self._client = await connect(server, self._lost)
        info = await stream_info(server, client)
        if self._created not in {None, info["created"]}:
            self._failed = server.error(
                f"the stream was deleted and made anew after position {self._last:,} was read",
                "Open it again.",
            )
            raise self._failed
        self._created = info["created"]
        last = info["state"]["last_seq"]
        self._upto = last if self._upto is None else min(self._upto, last)
        if self._last >= self._upto or not info["state"]["messages"]:
            self._is_done = True
            return
        # A new subject for each consumer: what an old one still sends is not heard.
        self._inbox = client.new_inbox()
        self._found, self._requested, self._number = Messages(), 0, 0
        subscription = await client.unless_lost(client.subscribe(self._inbox))
        client.sink, client.sink_id = self._sink, subscription._id
        made = await make_consumer(server, client, replace(self._asked, after=self._last))
        self._consumer = made["name"]
        self._is_done = made["num_pending"] == 0

    def _sink(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        found = self._found
        if reply:
            found.subjects.append(subject)
            found.replies.append(reply)
            found.payloads.append(data)
            found.headers.append(headers)
            if len(found.replies) >= self._requested:
                self._wake.set()
        elif headers is not None and not headers.startswith(_NOTHING_NEW, _STATUS):
            self._status = headers[_STATUS:]
            self._wake.set()

    def _lost(self) -> None:
        self._status = b"the connection was lost"
        self._wake.set()

    async def _pulled(self) -> Messages:
        if self._requested <= 0:
            await self._request()
        while not self._wake.is_set():
            before = len(self._found.replies)
            try:
                async with asyncio.timeout(self._server.timeout_s):
                    await self._wake.wait()
            except TimeoutError as error:
                if len(self._found.replies) > before:
                    break
                self._failed = self._silent()
                if not self._found.replies:
                    raise self._failed from error
                break  # what has come is handed out first
        self._wake.clear()
        return self._taken()

    def _silent(self) -> StoreUnreadableError:
        return self._server.error(
            f"no answer within {self._server.timeout_s:g} s after position {self._last:,}",
            f"What was read can be used; go on with between(after={self._last}).",
            ServerUnreachableError,
        )

    async def _request(self) -> None:
        client = self._client
        if client is None or client.is_closed:
            raise Lost("closed")
        largest = max(self._largest, 2 * client.max_payload)
        body = {"batch": self._asked.at_once, "no_wait": True, "max_bytes": largest}
        self._status, self._requested = None, self._asked.at_once
        what = f"{self._server.api}.CONSUMER.MSG.NEXT.{self._server.address.path}.{self._consumer}"
        request = client.publish(what, json.dumps(body).encode(), reply=self._inbox)
        await client.unless_lost(request)

    def _taken(self) -> Messages:
        """Return what has come, and look at whether it is whole and what follows."""
        found, self._found = self._found, Messages()
        status, count = self._status, len(found.replies)
        self._status = None
        self._requested -= count
        if count:
            first, last = delivery_of(found.replies[0]), delivery_of(found.replies[-1])
            if first.number != self._number + 1 or last.number - first.number + 1 != count:
                msg = f"deliveries are missing after position {self._last}"
                raise Lost(msg)
            self._last, self._number = last.position, last.number
            at_end = last.pending == 0 or (self._upto is not None and self._last >= self._upto)
            self._is_done = self._is_done or at_end
        if status is not None:
            self._requested = 0
            self._told(status, count)
        return found

    def _told(self, status: bytes, count: int) -> None:
        """Do what the server's word makes necessary."""
        if status.startswith(_NO_MESSAGES):
            self._is_done = True
        elif _TOO_LARGE in status.lower():
            self._largest *= 1 if count else 2
        elif not status.startswith(_TIME_IS_UP):
            if not count:
                raise Lost(status.decode(errors="replace").strip())
            self._number = -1  # what comes next fits no more: begin anew then

    async def _drop(self) -> None:
        """Delete the consumer and close the connection, whatever state they are in."""
        client, self._client = self._client, None
        name, self._consumer = self._consumer, ""
        self._wake, self._status = asyncio.Event(), None
        if client is None:
            return
        if name and client.is_connected:
            await delete_consumer(self._server, client, name)
        await close(client)

    async def close(self) -> None:
        """End the reading: delete the consumer and close the connection."""
        self._is_done = True
        await self._drop()
