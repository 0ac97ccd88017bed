"""What a history would be: with other events, with values masked, or kept in memory.

All give another history with another source; what lies in the store is only read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import polars as pl

from workbench.edits import Asked, Edit, edited
from workbench.errors import MaskError, printable
from workbench.masking import Masks, masked, masks_of
from workbench.sources.memory import in_memory
from workbench.tables import EDITS
from workbench.type_names import has_type

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from workbench.edits import Alter, Insert, Which
    from workbench.scanning import Reading
    from workbench.sources import Source


class Editable(ABC):
    """What can be edited and read into memory; `workbench.history.History` is it."""

    source: Source
    edits: tuple[Edit, ...]

    @property
    @abstractmethod
    def _reading(self) -> Reading:
        """What is read, and how."""

    @abstractmethod
    def _of(self, source: Source, edits: tuple[Edit, ...]) -> Self:
        """Return the same selection of another source."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """Return the event table: `workbench.tables.EVENTS`."""

    @abstractmethod
    def type_names(self) -> frozenset[str]:
        """Return all event types of the source."""

    @abstractmethod
    def full_type(self, name: str) -> str:
        """Return the type, as stored, for a full or short name."""

    def edit(
        self,
        *,
        name: str | None = None,
        drop: Which | None = None,
        alter: Alter | None = None,
        insert: Insert | None = None,
        move: Mapping[int, int] | None = None,
    ) -> Self:
        """Return the history as it would be with other events; nothing is ever written.

        All choices look at the history as it is before the edit, and as it is narrowed.
        A position names the event that has the number. In the streams from which events
        are taken, or into which some are put, the later versions are shifted, so that an
        unbroken stream stays unbroken. An edited history ends where its source ended
        when it was edited.

        Parameters
        ----------
        name
            What the edit is called; by default 'edit 1' and so on.
        drop
            Which events to leave out: a position or several, a Polars condition on the
            event table, or a function of an `Event` that returns a bool.
        alter
            `{position: change}`, or pairs `(which, change)` where which is as in `drop`.
            A change is a dict of payload fields to set, or a function of an `Event` that
            returns such a dict, or an `Event`: `event.replace(type=..., time=...)`. Values
            are native: Decimal, datetime and UUID are written as the library stores them.
        insert
            A `NewEvent` or several, or a frame of `workbench.tables.EVENTS` with free
            positions. What is inserted after an event shares its number, and stands
            behind it in the order given.
        move
            `{position: after}`: the event leaves its place and stands behind another,
            whose number it then shares.

        Raises
        ------
        EditError
            If no event is named, a number is taken, a payload cannot be decoded that is
            to be altered, a value has no form in the library's JSON, nothing is asked
            for, or the source has several partitions.
        UnknownTypeError
            If several types have the short name of a new one.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> history = open_history(shop_path())
        >>> history.edit(drop=7184, name="without it")
        <History 'shop.db': eventsourcing 9, SQLite, edited by 'without it'>
        """
        called = f"edit {len(self.edits) + 1}" if name is None else name
        asked = Asked(drop=drop, alter=alter, insert=insert, move=move)
        source, made = edited(self._reading, asked, self._stored_type, called)
        return self._of(source, (*self.edits, made))

    def _stored_type(self, name: str) -> str:
        return self.full_type(name) if has_type(name, self.type_names()) else name

    def edited_events(self) -> pl.DataFrame:
        """Return what the edits did, to which event: `workbench.tables.EDITS`, in order."""
        return pl.concat([EDITS.frame(), *(edit.events for edit in self.edits)])

    def masked(self, *patterns: str, key: bytes | None = None) -> Self:
        """Return the history with some values hidden, from whoever reads it and however.

        Texts become `***`, numbers 0, bools false, and what the library wraps stays wrapped, so
        that columns keep their dtypes; null, the names of fields and the lengths of lists stay.
        A payload that cannot be decoded is not shown, nor are its bytes. What an event is in
        the event table besides, such as its time, stays; so do the names of receivers.

        Parameters
        ----------
        patterns
            Paths as the schemas write them, `*` for any text: 'customer.*', 'lines[].sku',
            '*name'; 'Order.Placed:customer.*' for one event type. What is inside a value that is
            found is masked too, and paths look into the metadata as into the payload.
            '@metadata' is all of it, '@stream' and '@tags' give those pseudonyms.
        key
            With a key, texts and ids become pseudonyms: equal values stay equal, in every
            history that is masked with the key. Who has the key, or can guess it, can try values.

        Raises
        ------
        MaskError
            If a pattern names nothing, or streams are masked of a history that is narrowed to
            some.
        UnknownTypeError
            If the source has no such type, or several of that short name.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> history = open_history(shop_path()).masked("customer*", "address*")
        >>> history.events("Order.Placed")["customer_name"].drop_nulls().unique().to_list()
        ['***']
        """
        masks = Masks(patterns, key)
        for rule in masks.rules:
            if rule.type_ is not None and "*" not in rule.type_:
                self.full_type(rule.type_)
        reading = self._reading
        if masks.hides("@stream") and reading.selection.streams is not None:
            msg = (
                "Cannot mask the streams of a history that is narrowed to some: their names are "
                "known. Mask first, then choose streams by the names that they have then."
            )
            raise MaskError(msg)
        source = masked(reading.source, reading.codec, masks)
        return self._of(source, tuple(edit.masked(source.hidden) for edit in self.edits))

    @property
    def masks(self) -> tuple[str, ...]:
        """The patterns of what is masked; empty if nothing is."""
        return masks_of(self.source)

    @property
    def made(self) -> str:
        """How the history was made from what is stored, in words; empty if it is that."""
        edits = f"edited by {', '.join(repr(e.name) for e in self.edits)}" if self.edits else ""
        masks = f"masked: {', '.join(map(printable, self.masks))}" if self.masks else ""
        return ", ".join(filter(None, (edits, masks)))

    def in_memory(self) -> Self:
        """Return the same history, read once and kept in memory.

        A query over its `scan` is one over a Polars frame, with nothing left to read or to
        decode. It has what the history is narrowed to, and shows the source as of now.

        Raises
        ------
        StoreUnreadableError
            If the source can no longer be read.

        Examples
        --------
        >>> from workbench import open_history
        >>> from workbench.samples import shop_path
        >>> history = open_history(shop_path()).in_memory()
        >>> history.scan().select("type").collect().height
        54375
        """
        source = in_memory(self.source, self.scan().collect())
        return self._of(source, self.edits)
