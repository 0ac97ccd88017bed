"""What the libraries that wrote the fixtures say is in them."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from stores import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "fixtures"


class Fixture(NamedTuple):
    """One application's events in one of the fixtures."""

    file: str
    application: str | None

    @property
    def path(self) -> Path:
        """The store."""
        return FOLDER / f"{self.file}.db"

    @property
    def opening(self) -> dict[str, Any]:
        """What `open_history` must be told besides the path."""
        return {} if self.application is None else {"application": self.application}

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The expected events, as the fixture's README describes them."""
        text = (FOLDER / f"{self.file}.expected.ndjson").read_text("utf-8")
        return [line for line in map(json.loads, text.splitlines()) if self.has(line)]

    def has(self, line: dict[str, Any]) -> bool:
        """Return whether a line of the file is about this application."""
        return self.application is None or line["application"] == self.application

    @property
    def is_v10(self) -> bool:
        """Whether eventsourcing 10 wrote it."""
        return self.file.startswith("v10")

    @property
    def rows(self) -> list[Row]:
        """The expected events as raw rows, streams as the workbench shows them."""
        return [
            Row(
                line["position"],
                line["stream"] if self.is_v10 else UUID(line["stream"]).hex,
                line["version"],
                line["topic"],
                b64decode(line["state_base64"]),
            )
            for line in self.lines
        ]


FIXTURES = [
    Fixture("sqlalchemy", None),
    Fixture("sqlalchemy_two_apps", "parcels"),
    Fixture("sqlalchemy_two_apps", "invoices"),
    Fixture("sqlalchemy_nameless", None),
    Fixture("django", "Parcels"),
    Fixture("django", "Invoices"),
    Fixture("v10", None),
    Fixture("v10_msgpack", None),
    Fixture("v10_pydantic", None),
]


def fixture_id(fixture: Fixture) -> str:
    """Return a readable name for a parameter."""
    return f"{fixture.file}-{fixture.application}" if fixture.application else fixture.file


def leaves(value: Any) -> Iterator[Any]:
    """Yield every value without parts in a JSON value."""
    match value:
        case dict():
            for inner in value.values():
                yield from leaves(inner)
        case list():
            for inner in value:
                yield from leaves(inner)
        case _:
            yield value
