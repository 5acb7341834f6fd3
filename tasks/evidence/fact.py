"""What every type of evidence is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Fact(BaseModel):
    """Base of the types of evidence: immutable, strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
