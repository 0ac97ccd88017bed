"""What a page is to be told is sent, also what came while something else was being sent."""

from __future__ import annotations

import asyncio

import pytest
from bokeh.document import Document
from panel.io import document as panel

from workbench.dashboards import sending


class Socket:
    """A double of a socket, which is slow to write."""

    def __init__(self):
        self.sent, self.free = [], asyncio.Event()

    async def write(self, message):
        await self.free.wait()
        self.sent.append(message)


class Connection:
    """A double of a connection."""

    def __init__(self):
        self._socket = Socket()


async def two_changes(monkeypatch):
    """Return what was sent of a change, and of one that came while the first was written."""
    write = {Socket: lambda connection, msg: [connection._socket.write(msg)]}
    monkeypatch.setattr(panel, "extra_socket_handlers", write)
    document, connection = Document(), Connection()

    def queue(message):
        panel._WRITE_BLOCK[document] = True
        panel._WRITE_MSGS[document] = {connection: [message]}
        return asyncio.ensure_future(panel._dispatch_msgs(document))

    first = queue("one")
    await asyncio.sleep(0)
    panel._WRITE_BLOCK[document] = True
    panel._WRITE_MSGS[document] = {connection: ["two"]}
    connection._socket.free.set()
    await first
    await panel._dispatch_msgs(document)  # the task of the second, which comes too late
    await asyncio.sleep(0.1)
    return connection._socket.sent


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Let Panel be as it comes, and leave it so."""
    monkeypatch.setattr(panel, "_dispatch_msgs", sending._dispatch)


def test_panel_alone_keeps_the_second(monkeypatch):
    """The fault that is mended: once Panel sends all by itself, the mend can go."""
    assert asyncio.run(two_changes(monkeypatch)) == ["one"]


def test_both_are_sent(monkeypatch):
    sending.mend_sending()
    assert asyncio.run(two_changes(monkeypatch)) == ["one", "two"]
