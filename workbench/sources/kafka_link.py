"""A connection to a Kafka cluster that joins no group, commits nothing, and makes no topic."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from workbench.errors import (
    AccessDeniedError,
    ServerUnreachableError,
    StoreNotFoundError,
    StoreUnreadableError,
    UnknownTargetError,
)
from workbench.sources.addresses import TIMEOUT_S, Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

READ_ONLY = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "allow.auto.create.topics": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",  # what to do where an offset is gone is decided here
    "fetch.wait.max.ms": 50,
    # The client pauses a fetch for this long when it has read ahead enough: 1 s by default,
    # which is most of the time of a reading.
    "fetch.queue.backoff.ms": 5,
    "queued.max.messages.kbytes": 65_536,
    "log.connection.close": False,
}
PREFIXES = ("security.", "sasl.", "ssl.", "client.", "socket.", "broker.address.")
"""Of which settings of the client the user has a say."""
RUNS_CODE = ("sasl.kerberos.kinit.cmd", "ssl.engine.location", "ssl.providers")
QUIET = logging.getLogger("workbench.kafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
_HOSTS = {"bootstrap.servers", "metadata.broker.list"}
_LOOK_S = 0.25  # between two looks at what the client has met

_REFUSED = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.ILLEGAL_SASL_STATE,
}
_NO_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}
_NO_PARTITION = {KafkaError._UNKNOWN_PARTITION}


@dataclass(frozen=True)
class Cluster:
    """Where a Kafka cluster is, and how a client shows who it is."""

    address: Address
    timeout_s: float = TIMEOUT_S
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def topic(self) -> str:
        """The topic."""
        return self.address.path

    def error(
        self,
        found: str,
        todo: str,
        kind: type[StoreUnreadableError] = StoreUnreadableError,
    ) -> StoreUnreadableError:
        """Return the error for a cluster that cannot be read, without a secret in it."""
        shown = self.address.without_secrets(found)
        for name, value in self.settings.items():
            if "password" in name or "secret" in name or "pem" in name:
                shown = shown.replace(value, "***")
        return kind(f"Cannot read {self.address.shown!r}: {shown}. {todo}")

    def silent(self, where: str) -> StoreUnreadableError:
        """Return the error for a cluster that does not answer in time."""
        protocol = self.settings.get("security.protocol", "")
        protocol = protocol and f", and whether they speak {protocol}"
        return self.error(
            f"no answer within {self.timeout_s:g} s{where}",
            f"Check the brokers{protocol}, or give a longer timeout=.",
            ServerUnreachableError,
        )

    def translated(self, error: KafkaError) -> Exception:
        """Return the error of the workbench for one of the client."""
        said, code = error.str(), error.code()
        if code in _NO_TOPIC:
            msg = (
                f"Cannot find the topic {self.topic!r} at {self.address.shown!r}: {said}. "
                "`kafka-topics --list` lists those there are."
            )
            return StoreNotFoundError(msg)
        if code in _REFUSED or "SASL" in said:
            todo = "Check name and password, sasl.mechanism and security.protocol."
            return self.error(f"the cluster refuses the login ({said})", todo, AccessDeniedError)
        if code == KafkaError._SSL or "SSL" in said:
            todo = "Check security.protocol and ssl.ca.location."
            return self.error(f"TLS failed ({said})", todo)
        if code in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}:
            todo = "Check that the brokers run, and their hosts and ports."
            return self.error(f"nobody answers there ({said})", todo, ServerUnreachableError)
        return self.error(f"Kafka says {said!r}", "See the log of the brokers.")

    def configured(self) -> dict[str, Any]:
        """Return the settings that every client gets."""
        return {"bootstrap.servers": ",".join(self.address.hosts), **self.settings}


class Link:
    """A consumer that is in no group, and what it has met."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._met: list[KafkaError] = []
        # The client insists on the name of a group; one that is never joined is never made.
        group = f"workbench-{token_hex(8)}"
        settings = cluster.configured() | READ_ONLY | {"group.id": group}
        try:
            self.consumer = Consumer({**settings, "error_cb": self._met.append, "logger": QUIET})
        except KafkaException as error:
            raise cluster.error(
                f"the client refuses its settings ({error.args[0].str()})", "Check the URL."
            ) from error

    def close(self) -> None:
        """End the client and its threads."""
        self.consumer.close()

    def messages(self, most: int, wait_s: float) -> list[Message]:
        """Return some messages, and marks of ends among them.

        Raises
        ------
        StoreUnreadableError
            If the client has met something that does not pass by itself.
        """
        found: list[Message] = self.consumer.consume(most, wait_s)
        if not found:
            self._look()
        return found

    def _look(self) -> None:
        met, self._met[:] = list(self._met), []
        for error in met:
            if error.code() in _REFUSED | {KafkaError._SSL} or error.fatal():
                raise self.cluster.translated(error)

    def partitions(self) -> tuple[int, ...]:
        """Return the partitions of the topic.

        Raises
        ------
        StoreNotFoundError
            If there is no such topic.
        StoreUnreadableError
            If the cluster does not answer, or refuses.
        """
        _reachable(self.cluster)
        until = time.monotonic() + self.cluster.timeout_s
        last: KafkaError | None = None
        while time.monotonic() < until:
            try:
                found = self.consumer.list_topics(self.cluster.topic, timeout=_LOOK_S)
            except KafkaException as error:
                last = error.args[0]
                self.consumer.poll(0)
                self._look()
                continue
            topic = found.topics[self.cluster.topic]
            if topic.error is not None:
                raise self.cluster.translated(topic.error)
            if topic.partitions:
                return tuple(sorted(topic.partitions))
        raise self.cluster.silent(f" ({last.str()})" if last is not None else "")

    def edges(self, partition: int) -> tuple[int, int]:
        """Return the first offset that a partition still has, and the end that its broker tells.

        The end may be too small, but is never too great.

        Raises
        ------
        StoreUnreadableError
            If the cluster does not answer, or refuses.
        """
        where = TopicPartition(self.cluster.topic, partition)
        try:
            low, high = self.consumer.get_watermark_offsets(where, self.cluster.timeout_s)
        except KafkaException as error:
            raise self.cluster.translated(error.args[0]) from error
        return max(low, 0), max(low, high, 0)


def _reachable(cluster: Cluster) -> None:
    """Look whether anybody listens: the client itself tries until its time is up."""
    said: OSError | None = None
    for address in cluster.address.hosts:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), cluster.timeout_s).close()
        except OSError as error:
            said = error
        else:
            return
    raise cluster.error(
        f"nobody answers there ({said})",
        "Check that the brokers run, and their hosts and ports.",
        ServerUnreachableError,
    ) from said


@contextmanager
def linked(cluster: Cluster) -> Iterator[Link]:
    """Open a link, and close it.

    Raises
    ------
    StoreUnreadableError
        If its settings cannot be used.
    """
    with closing(Link(cluster)) as link:
        yield link


def settings_of(address: Address, file: str | None) -> dict[str, str]:
    """Return the client's settings: of a file of properties, of the URL, and its login.

    Raises
    ------
    UnknownTargetError
        If a setting is none that a reader may be given.
    StoreUnreadableError
        If the file cannot be read.
    """
    found = {} if file is None else _properties(address, file)
    found |= {name: value for name, value in address.options.items() if "." in name}
    if address.user is not None:
        found |= {"sasl.username": address.user, "sasl.password": address.password or ""}
        found = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"} | found
    for name in found:
        if not name.startswith(PREFIXES) or name in RUNS_CODE:
            msg = (
                f"Cannot open {address.shown!r} with the setting {name!r}: a reader is given "
                f"those that begin with {', '.join(PREFIXES)}, and none that runs code. Leave it "
                "out."
            )
            raise UnknownTargetError(msg)
    return found


def _properties(address: Address, file: str) -> dict[str, str]:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = (
            f"Cannot read {address.shown!r}: the file of settings {file!r} cannot be read "
            f"({error}). Check config= in the URL, or KCAT_CONFIG."
        )
        raise StoreUnreadableError(msg) from error
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
    found = {name.strip(): value.strip() for name, equals, value in pairs if equals}
    return {n: v for n, v in found.items() if n not in _HOSTS}
