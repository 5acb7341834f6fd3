"""The base of every type of evidence."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Fact(BaseModel):
    """Base of every type here: immutable, strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
