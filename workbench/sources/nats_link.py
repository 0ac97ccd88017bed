"""A connection to a NATS server, in a private thread with an event loop of its own.

The client of NATS is asynchronous. A loop of its own works in a notebook too, where one is
running already, and leaves nothing behind: the thread ends with the reading. Messages of a
stream do not go through the client's queues, which take longer than the network does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from nats import errors as client_errors
from nats.aio.client import Client

from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreNotFoundError,
    StoreUnreadableError,
)
from workbench.sources.addresses import TIMEOUT_S, Address

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Future

T = TypeVar("T")

CLIENT_NAME = "event-workbench"
_CLOSING_S = 1.0  # for a server that no longer answers
_SLACK_S = 5.0  # of the thread that waits, beyond what its task takes at most
_LOGINS = 3  # how often a connection is tried that is cut before the login is answered
_AGAIN_S = 0.1


@dataclass(frozen=True)
class Server:
    """Where a NATS server is, and how a client shows who it is."""

    address: Address
    timeout_s: float = TIMEOUT_S
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    """What the client's `connect` is given besides: credentials and TLS."""

    api: str = "$JS.API"
    """What stands before each request to JetStream: a domain has its own."""

    def error(
        self,
        found: str,
        todo: str,
        kind: type[StoreUnreadableError] = StoreUnreadableError,
    ) -> StoreUnreadableError:
        """Return the error for a server that cannot be read, without a secret in it."""
        shown = self.address.without_secrets(found)
        return kind(f"Cannot read {self.address.shown!r}: {shown}. {todo}")


class Lost(Exception):  # noqa: N818, no error of the user's
    """The connection, or the consumer, is gone; what follows can be read anew."""


class StreamClient(Client):
    """A client that hands the messages of one subscription straight to a function."""

    sink: Any = None
    sink_id: int = -1
    wants_tls: bool = False
    asked_login: bool = False
    """Whether the server's first word was that it wants a login."""
    on_lost: Callable[[], None] | None = None
    """Called when a connection is lost that was in use."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = asyncio.Event()

    async def unless_lost(self, task: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine comes to, unless the connection is lost before.

        The client itself lets a request wait for its timeout when nobody can answer any more.

        Raises
        ------
        Lost
            If the connection is lost.
        """
        asked, lost = asyncio.ensure_future(task), asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({asked, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                msg = "the server has closed it"
                raise Lost(msg)
            return asked.result()
        except client_errors.ConnectionClosedError as error:
            raise Lost(str(error)) from error
        finally:
            asked.cancel()
            lost.cancel()

    async def _process_info(
        self,
        info: dict[str, Any],
        initial_connection: bool = False,  # noqa: FBT001, FBT002, the client's own
    ) -> None:
        # Called with the server's first word, before credentials are sent: the client would
        # send them in the clear to a server that does not ask for TLS.
        if self.wants_tls and not info.get("tls_required"):
            msg = "TLS was asked for, and the server does not require it"
            raise client_errors.SecureConnWantedError(msg)
        self.asked_login = bool(info.get("auth_required"))
        await super()._process_info(info, initial_connection)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        # Called by the client's own parser for each message; its own way takes 3 times as long.
        if sid == self.sink_id:
            self.sink(subject, reply, data, headers)
        else:
            await super()._process_msg(sid, subject, reply, data, headers)


async def connect(server: Server, on_lost: Callable[[], None] | None = None) -> StreamClient:
    """Return a client that is connected, and that does not reconnect by itself.

    Raises
    ------
    StoreUnreadableError
        If nobody answers, or the server refuses.
    """
    logins = 1
    while True:
        client = StreamClient()
        client.wants_tls = "tls" in server.settings
        try:
            await _dial(server, client)
        except _CUT as error:
            # A server that refuses a login closes at once, and what it said may be lost with
            # the connection. One that has just started closes too.
            if logins == _LOGINS:
                raise _cut(server, client, error) from error
            await asyncio.sleep(logins * _AGAIN_S)
            logins += 1
        except (OSError, client_errors.Error, ValueError) as error:
            raise refused(server, error) from error
        else:
            client.on_lost = on_lost
            return client


_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


async def _dial(server: Server, client: StreamClient) -> None:
    """Connect a client, or raise what its last attempt failed with, and close it."""
    seen: list[Exception] = []

    async def note(error: Exception) -> None:
        seen.append(error)

    async def lost() -> None:
        client.lost.set()
        if client.on_lost is not None:
            client.on_lost()

    try:
        async with asyncio.timeout(server.timeout_s):
            await client.connect(
                servers=[f"nats://{host}" for host in server.address.hosts],
                error_cb=note,
                disconnected_cb=lost,
                closed_cb=lost,
                name=CLIENT_NAME,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=max(1, round(server.timeout_s)),
                # The login is answered before anything else is sent: what a server has not read
                # when it closes turns its answer into a reset of the connection.
                verbose=True,
                **server.settings,
            )
    except BaseException as error:
        await close(client)
        if seen and isinstance(error, Exception):
            raise seen[-1] from error
        raise
    if not client.is_connected:  # the client takes the end of a connection for an answer
        await close(client)
        msg = "the server closed the connection"
        raise ConnectionResetError(msg)


def _cut(server: Server, client: StreamClient, error: OSError) -> StoreUnreadableError:
    """Return the error for a server that closes the connection instead of an answer."""
    if not client.asked_login:
        return refused(server, error)
    return server.error(
        f"the server refuses the login (it asks for one, and closes the connection: {error})",
        "Check the name and password, the token, or the credentials file.",
        AccessDeniedError,
    )


def refused(server: Server, error: BaseException) -> StoreUnreadableError:
    """Return the error for a connection that did not come about."""
    said = str(error) or type(error).__name__
    low = said.lower()
    if isinstance(error, ssl.SSLError) or "secure" in low or "tls" in low:
        return server.error(
            f"TLS failed ({said})",
            "Check tls=true and tls_ca= in the URL, or NATS_CA, NATS_CERT and NATS_KEY.",
        )
    if "authorization" in low or "authentication" in low or "permission" in low:
        return server.error(
            f"the server refuses the login ({said})",
            "Check the name and password, the token, or the credentials file.",
            AccessDeniedError,
        )
    if isinstance(error, (ConnectionRefusedError, client_errors.NoServersError)):
        said = "nobody answers there"
    elif isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        said = f"no answer within {server.timeout_s:g} s"
    todo = "Check that the server runs, and its host and port."
    return server.error(said, todo, ServerUnreachableError)


@dataclass
class Loop:
    """An event loop in a thread of its own."""

    loop: asyncio.AbstractEventLoop

    def start(self, task: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine, and return what it will come to."""
        return asyncio.run_coroutine_threadsafe(task, self.loop)

    def run(self, task: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine comes to; it is cancelled if this thread is interrupted."""
        future = self.start(task)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@contextmanager
def private_loop() -> Iterator[Loop]:
    """Run an event loop in a thread, and end both."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="workbench-nats", daemon=True)
    thread.start()
    try:
        yield Loop(loop)
    finally:
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(_CLOSING_S + _SLACK_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """End every task that is left, so that none is destroyed while it waits."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


@contextmanager
def connected(server: Server) -> Iterator[tuple[Loop, StreamClient]]:
    """Open a connection for a few questions, and close it.

    Raises
    ------
    StoreUnreadableError
        If nobody answers, or the server refuses.
    """
    with private_loop() as loop:
        client = loop.run(connect(server))
        try:
            yield loop, client
        except (Lost, client_errors.Error) as error:
            todo = "Check that the server runs."
            raise server.error(
                f"the connection was lost ({error})", todo, ServerUnreachableError
            ) from error
        finally:
            loop.run(close(client))


async def close(client: StreamClient) -> None:
    """Close a connection, also one whose server no longer answers."""
    with suppress(Exception):  # whatever is wrong with it, it is not needed any more
        await asyncio.wait_for(client.close(), _CLOSING_S)
    transport = getattr(client, "_transport", None)
    if transport is not None:
        with suppress(Exception):
            transport.close()


class ApiError(Exception):
    """What JetStream answers instead of what it was asked for."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


async def ask(
    server: Server, client: StreamClient, what: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what JetStream's API answers to a request.

    Raises
    ------
    ApiError
        If it answers with an error.
    StoreUnreadableError
        If it does not answer.
    """
    data = json.dumps(body).encode() if body else b""
    try:
        request = client.request(f"{server.api}.{what}", data, timeout=server.timeout_s)
        reply = await client.unless_lost(request)
        answer: dict[str, Any] = json.loads(reply.data)
    except client_errors.NoRespondersError as error:
        raise server.error(
            "JetStream is not enabled, or not for this account",
            "Start the server with -js, or use an account that has it.",
            ServerUnreachableError,  # as it is for a moment when a server has just started
        ) from error
    except TimeoutError as error:
        raise server.error(
            f"no answer within {server.timeout_s:g} s",
            "Check the server and the permissions of the account, or give a longer timeout=.",
            ServerUnreachableError,
        ) from error
    except client_errors.Error as error:
        raise Lost(str(error)) from error
    if "error" in answer:
        raise ApiError(answer["error"].get("code", 0), answer["error"].get("description", ""))
    return answer


async def stream_info(
    server: Server, client: StreamClient, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what the server knows of the stream.

    Raises
    ------
    StoreNotFoundError
        If it has no such stream.
    StoreUnreadableError
        If it does not say.
    """
    stream = server.address.path
    try:
        return await ask(server, client, f"STREAM.INFO.{stream}", body)
    except ApiError as error:
        if error.code == _NOT_FOUND:
            shown = server.address.shown
            msg = (
                f"Cannot find the stream {stream!r} at {shown!r}: {error.description}. "
                "`nats stream ls` lists those there are."
            )
            raise StoreNotFoundError(msg) from error
        raise server.error(f"JetStream says {error.description!r}", "See its log.") from error


_NOT_FOUND = 404
