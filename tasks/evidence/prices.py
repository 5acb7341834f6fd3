"""Prices of models: what a run cost, from its own model and tokens. From ``genai-prices``, or a table of one's own."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from genai_prices import Usage, calc_price
from genai_prices.types import ModelInfo, TieredPrices
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import ConfigurationError

# What endpoints call the tier that list prices are for. "auto" is none of its own: of a call, or of a project.
_STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "on_demand", "standard_only"})


class ModelPrice(BaseModel):
    """The price of one model, in USD for a million tokens; without ``cached``, cached input costs as much as other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(None, ge=0, allow_inf_nan=False)


class Tokens(NamedTuple):
    """Tokens of one run. ``total`` may be known without the other two; ``cached`` is a part of ``input``."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None


class RunPrices:
    """Prices by model. Threads may share one; each model is looked up once.

    Args:
        own: ``{model: {"input", "output", "cached"}}`` in USD for a million tokens. It comes before ``genai-prices``,
            compared without regard to case. The key ``model:tier`` has the price of a tier other than the standard one.

    Raises:
        RefusedError: a price that is none, naming the model.
    """

    def __init__(self, own: Mapping[str, ModelPrice | Mapping[str, Any]] | None = None) -> None:
        self._own = {_key(model): _own_price(model, price) for model, price in (own or {}).items()}
        self._models: dict[str, ModelInfo | None] = {}
        self._lock = threading.Lock()

    def cost_usd(self, model: str | None, tokens: Tokens, at: datetime, tier: str = "") -> float | None:
        """What ``tokens`` of ``model`` cost at the time ``at`` in USD; None where model, price or tokens are unknown.

        ``at`` (aware) matters since prices change. A run is many requests and only their sum is known, so a price
        that rises with the length of one request counts at its lowest tier. A name such as ``openai/gpt-4o`` is
        looked up at that provider, then as ``gpt-4o`` alone. ``tier`` is the service tier, such as ``flex``; where its
        own price is not known the cost is not, whatever the standard tier costs.
        """
        if model is None or tokens.input is None or tokens.output is None:
            return None
        tier = tier.strip().lower()
        price = self._price(model, at, "" if tier in _STANDARD_TIERS else tier)
        if price is None:
            return None
        # More cached tokens than input: counted beside it, not as a part of it, and it is not known which price holds.
        cached = tokens.cached if tokens.cached is not None and tokens.cached <= tokens.input else 0
        cached_price = price.input if price.cached is None else price.cached
        micro_usd = (tokens.input - cached) * price.input + cached * cached_price + tokens.output * price.output
        return micro_usd / 1e6

    def _price(self, model: str, at: datetime, tier: str) -> ModelPrice | None:
        if own := self._own.get(_key(f"{model}:{tier}" if tier else model)):
            return own
        with self._lock:
            if model not in self._models:
                self._models[model] = _find(model)
            found = self._models[model]
        if found is None:
            return None
        context = {"processing" if tier == "batch" else "service_tier": tier} if tier else None
        if context and not _has_variant(found, context, at):
            return None
        prices = found.get_prices(at, context)
        given, made = _lowest(prices.input_mtok), _lowest(prices.output_mtok)
        if given is None or made is None:
            return None
        return ModelPrice(input=given, output=made, cached=_lowest(prices.cache_read_mtok))


def _find(model: str) -> ModelInfo | None:
    provider, slash, name = model.partition("/")
    tries: list[tuple[str, str | None]] = [(model, None)]
    if slash:
        tries += [(name, provider), (model.rpartition("/")[2], None)]
    for reference, provider_id in tries:
        try:
            return calc_price(Usage(input_tokens=1, output_tokens=1), reference, provider_id=provider_id).model
        except (LookupError, ValueError):
            continue
    return None


def _has_variant(model: ModelInfo, context: Mapping[str, str], at: datetime) -> bool:
    """Whether ``model`` has prices of its own for a request with this ``context``; else it would get the standard."""
    return any(
        variant.when.items() <= context.items() and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def _lowest(price: Decimal | TieredPrices | None) -> float | None:
    if price is None:
        return None
    size = float(price.base if isinstance(price, TieredPrices) else price)
    return size if math.isfinite(size) else None


def _own_price(model: str, price: ModelPrice | Mapping[str, Any]) -> ModelPrice:
    try:
        return price if isinstance(price, ModelPrice) else ModelPrice.model_validate(price)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"The price of {model!r} cannot be used: {place}: {first['msg']}; write input, output and cached (USD for "
            "a million tokens)"
        ) from None


def _key(model: str) -> str:
    return model.strip().casefold()
