"""What a history's payloads look like: the part of a history that infers schemas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.scanning import Reading
    from workbench.schemas import Schemas
    from workbench.schemas.drift import Drift


class Inferring(ABC):
    """A history that can be asked for its schemas; `workbench.history.History` is it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the source is called, such as a file's name."""

    @property
    @abstractmethod
    def _reading(self) -> Reading:
        """What is read, and how."""

    @abstractmethod
    def full_type(self, name: str) -> str:
        """Return the type, as stored, for a full or short name."""

    def schemas(self) -> Schemas:
        """Return what the stored payloads look like, by type and version, silent ones too.

        One reading of all payloads; `Schemas.advance` adds those that come later.

        Raises
        ------
        StoreUnreadableError
            If the source can no longer be read.
        """
        from workbench.schemas.inference import schemas_of

        return schemas_of(self.name, self._reading)

    def drift(self, type_: str, every: str = "1mo") -> Drift:
        """Return how the fields of one type change over time, and since which event.

        Parameters
        ----------
        type_
            Full or short name.
        every
            The length of a window: '1h', '1d', '1w', '1mo'. Windows begin in UTC.

        Raises
        ------
        UnknownTypeError
            If the source has no such type, or several of that short name.
        RangeError
            If `every` is no duration.
        StoreUnreadableError
            If the source can no longer be read.
        """
        from workbench.schemas.inference import drift_of

        return drift_of(self._reading, self.full_type(type_), every)
