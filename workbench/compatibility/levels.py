"""The levels of compatibility: which version must be able to read which."""

from __future__ import annotations

from typing import Literal, NamedTuple

from workbench.errors import SchemaError, near

Level = Literal[
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
]
LEVELS: tuple[Level, ...] = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
Direction = Literal["backward", "forward"]


class Pair(NamedTuple):
    """Two versions, by their numbers from the oldest, and which of them reads the other."""

    newer: int
    older: int
    direction: Direction

    @property
    def reader(self) -> int:
        """The version whose schema payloads are read with."""
        return self.newer if self.direction == "backward" else self.older

    @property
    def writer(self) -> int:
        """The version whose payloads are read."""
        return self.older if self.direction == "backward" else self.newer


def level_of(name: str) -> Level:
    """Return a level by its name, in whatever case.

    Raises
    ------
    SchemaError
        If there is no such level.
    """
    for level in LEVELS:
        if level == name.upper():
            return level
    msg = f"Cannot check for the compatibility {name!r}. {near(name.upper(), LEVELS)}"
    raise SchemaError(msg)


def pairs(level: str, versions: int, newest: int = 1) -> list[Pair]:
    """Return which of so many versions are checked against which.

    Parameters
    ----------
    level
        `BACKWARD`: a version reads the payloads of the one before it. `FORWARD`: the one
        before reads its payloads. `FULL`: both. With `_TRANSITIVE`, all that came before it
        instead of one. `NONE`: nothing is checked.
    versions
        How many there are, the oldest first.
    newest
        Of how many of the newest, each is checked against those before it.

    Raises
    ------
    SchemaError
        If there is no such level.

    Notes
    -----
    The definitions are those of Confluent's Schema Registry: "Schema Evolution and
    Compatibility", section "Compatibility types", docs.confluent.io/platform/current/
    schema-registry/fundamentals/schema-evolution.html.

    Examples
    --------
    >>> [(p.reader, p.writer) for p in pairs("FULL", 3)]
    [(2, 1), (1, 2)]
    >>> [(p.reader, p.writer) for p in pairs("BACKWARD_TRANSITIVE", 3, newest=3)]
    [(1, 0), (2, 0), (2, 1)]
    """
    name = level_of(level)
    directions: list[Direction] = []
    if name.startswith(("BACKWARD", "FULL")):
        directions.append("backward")
    if name.startswith(("FORWARD", "FULL")):
        directions.append("forward")
    is_transitive = name.endswith("_TRANSITIVE")
    return [
        Pair(newer, older, direction)
        for newer in range(max(1, versions - newest), versions)
        for older in range(0 if is_transitive else newer - 1, newer)
        for direction in directions
    ]
