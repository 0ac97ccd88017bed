"""Checking versions of a schema against each other, and against what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.compatibility.accepting import Acceptor
from workbench.compatibility.affected import Question, Writer, count
from workbench.compatibility.avro_changes import changes_of_avro
from workbench.compatibility.avro_names import AvroType, avro_type, json_of_avro
from workbench.compatibility.documents import Document, document, form_of, plain
from workbench.compatibility.json_changes import changes_of_json
from workbench.compatibility.levels import Pair, pairs
from workbench.errors import SchemaError
from workbench.tables import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import polars as pl

    from workbench.compatibility.changes import Change
    from workbench.compatibility.documents import SchemaLike

SAYS_NOTHING = frozenset(["id_changed", "title_changed", "description_changed"])
"""Changes that no reader meets, which are left out of findings."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a schema, and whose events it is about."""

    name: str
    schema: Document | AvroType
    writer: Writer | None = None
    """None where no stored events are known to be of it."""
    type: str | None = None
    count: int | None = None
    """How many events it has, where that is known before reading."""

    def acceptor(self) -> Acceptor:
        """Return what checks values against the schema, or parts of it."""
        if isinstance(self.schema, Document):
            return Acceptor(self.schema)
        return Acceptor(document(json_of_avro(self.schema)))


def read_schema(schema: SchemaLike) -> Document | AvroType:
    """Return a schema in whichever form it is.

    Raises
    ------
    SchemaError
        If it cannot be read.
    """
    data = plain(schema)
    return avro_type(data) if form_of(data) == "avro" else document(data)


def changes_between(old: Document | AvroType, new: Document | AvroType) -> list[Change]:
    """Return what a reader of the new schema finds changed in payloads of the old one.

    Raises
    ------
    SchemaError
        If one is JSON Schema and the other Avro, or they cannot be compared.
    """
    if isinstance(old, Document) and isinstance(new, Document):
        return changes_of_json(old, new)
    if isinstance(old, AvroType) and isinstance(new, AvroType):
        return changes_of_avro(old, new)
    msg = (
        "Cannot compare a JSON Schema with an Avro schema: their rules differ. Give two of one "
        "form; `Schema.json_schema()` is a JSON Schema of stored events."
    )
    raise SchemaError(msg)


@dataclass(frozen=True, slots=True)
class Asked:
    """A change between two versions, and the question whom it affects."""

    pair: Pair
    newer: Version
    older: Version
    change: Change
    question: Question | None


def asked(versions: Sequence[Version], level: str, newest: int | None = None) -> list[Asked]:
    """Return the changes between versions, with what is to be counted for each.

    Raises
    ------
    SchemaError
        If there is no such level, or schemas cannot be compared.
    """
    found = []
    for pair in pairs(level, len(versions), len(versions) if newest is None else newest):
        reader, writer = versions[pair.reader], versions[pair.writer]
        acceptor = reader.acceptor()
        for change in changes_between(writer.schema, reader.schema):
            if change.rule.name in SAYS_NOTHING:
                continue
            question = None
            if writer.writer is not None:
                check = None if change.probe is None else acceptor.check(change.probe)
                question = Question(writer.writer, change.steps, check)
            found.append(Asked(pair, versions[pair.newer], versions[pair.older], change, question))
    return found


def counted(
    changes: list[Asked], payloads: Callable[[], Iterable[pl.DataFrame]] | None
) -> list[dict[str, Any]]:
    """Return rows of `workbench.tables.FINDINGS`, with their events counted."""
    questions = [ask.question for ask in changes if ask.question is not None]
    if payloads is not None and any(question.check for question in questions):
        count(questions, payloads())
    return [_row(ask) for ask in sorted(changes, key=_order)]


def _order(ask: Asked) -> tuple[str, int, int, str, bool, str, str]:
    change = ask.change
    return (
        ask.newer.type or "",
        *ask.pair,
        not change.rule.breaks,
        change.schema_path,
        change.rule.name,
    )


def _row(ask: Asked) -> dict[str, Any]:
    change = ask.change
    writer = ask.older if ask.pair.direction == "backward" else ask.newer
    row: dict[str, Any] = {
        "type": ask.newer.type,
        "version": ask.newer.name,
        "against": ask.older.name,
        "direction": ask.pair.direction,
        "rule": change.rule.name,
        "path": change.path,
        "schema_path": change.schema_path,
        "old": change.old,
        "new": change.new,
        "breaks": change.rule.breaks,
        "affected": None,
        "of": writer.count,
        "share": None,
        "first_position": None,
        "last_position": None,
    }
    if ask.question is not None:
        row |= _tally(ask.question, writer.count)
    row["sentence"] = sentence(row)
    return row


def _tally(question: Question, known: int | None) -> dict[str, Any]:
    tally = question.tally
    of = tally.of if known is None else known
    return {
        "affected": tally.affected,
        "of": of,
        "share": tally.affected / of if of else None,
        "first_position": tally.first_position,
        "last_position": tally.last_position,
    }


def sentence(row: dict[str, Any]) -> str:
    """Return in words whether a finding breaks in theory, and how many events it affects.

    Examples
    --------
    >>> sentence({"breaks": True, "affected": 0, "of": 61_204})
    'breaking in theory, 0 of 61,204 events'
    >>> sentence({"breaks": True, "affected": 12, "of": 61_204})
    'breaking, 12 of 61,204 events'
    >>> sentence({"breaks": True, "affected": None, "of": None})
    'breaking in theory, no events to count'
    """
    if not row["breaks"]:
        return "harmless"
    if row["affected"] is None:
        return "breaking in theory, no events to count"
    how = "breaking" if row["affected"] else "breaking in theory"
    return f"{how}, {row['affected']:,} of {row['of']:,} events"


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as `workbench.tables.FINDINGS`, by type."""
    return FINDINGS.frame(rows).sort("type", maintain_order=True, nulls_last=True)
