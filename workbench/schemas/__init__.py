"""Schemas: what the payloads of a history really look like, by event type and version."""

from workbench.schemas.schema import Schema
from workbench.schemas.schemas import Schemas

__all__ = ["Schema", "Schemas"]
