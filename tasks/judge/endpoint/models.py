"""What is known of a judge's model before it is asked: whether it is about to go, and whether anybody knows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import get_args
from urllib.parse import urlsplit

from openai.types import ChatModel

from tasks.evidence.prices import RunPrices, Tokens

_OPENAI_HOST = "api.openai.com"

# The models that the openai SDK 3.54 lists as deprecated (in openai/types/shared/chat_model.py, after
# https://developers.openai.com/api/docs/deprecations), by the date announced. The SDK has them in a comment, which
# cannot be read when it runs; a test compares the two.
_SHUTDOWNS = {
    "2024-09-13": "gpt-3.5-turbo-16k gpt-3.5-turbo-0301 gpt-3.5-turbo-0613 gpt-3.5-turbo-16k-0613",
    "2024-12-06": "gpt-4-vision-preview",
    "2025-06-06": "gpt-4-32k gpt-4-32k-0314 gpt-4-32k-0613",
    "2025-07-28": "o1-preview o1-preview-2024-09-12",
    "2025-10-10": "gpt-4o-audio-preview-2024-10-01",
    "2025-10-27": "o1-mini o1-mini-2024-09-12",
    "2026-02-12": "codex-mini-latest",
    "2026-02-17": "chatgpt-4o-latest",
    "2026-03-26": "gpt-4-0125-preview gpt-4-turbo-preview gpt-4-0314",
    "2026-05-07": (
        "gpt-4o-audio-preview gpt-4o-audio-preview-2024-12-17 gpt-4o-audio-preview-2025-06-03 "
        "gpt-4o-mini-audio-preview gpt-4o-mini-audio-preview-2024-12-17"
    ),
    "2026-07-23": (
        "gpt-5.1-codex gpt-5.1-chat-latest gpt-5-chat-latest gpt-4o-search-preview gpt-4o-mini-search-preview "
        "gpt-4o-search-preview-2025-03-11 gpt-4o-mini-search-preview-2025-03-11"
    ),
    "2026-08-10": "gpt-5.3-chat-latest gpt-5.2-chat-latest",
    "2026-09-28": "gpt-3.5-turbo-1106",
    "2026-10-23": (
        "gpt-4.1-nano gpt-4.1-nano-2025-04-14 o4-mini o4-mini-2025-04-16 o3-mini o3-mini-2025-01-31 o1 o1-2024-12-17 "
        "gpt-4o-2024-05-13 gpt-4-turbo gpt-4-turbo-2024-04-09 gpt-4-1106-preview gpt-4 gpt-4-0613 gpt-3.5-turbo "
        "gpt-3.5-turbo-0125"
    ),
    "2026-12-11": (
        "gpt-5 gpt-5-mini gpt-5-nano gpt-5-2025-08-07 gpt-5-mini-2025-08-07 gpt-5-nano-2025-08-07 o3 o3-2025-04-16"
    ),
    "2027-01-14": (
        "gpt-4.1 gpt-4.1-mini gpt-4.1-2025-04-14 gpt-4.1-mini-2025-04-14 gpt-4o gpt-4o-2024-11-20 gpt-4o-2024-08-06 "
        "gpt-4o-mini gpt-4o-mini-2024-07-18"
    ),
    "2027-01-20": "gpt-audio-mini gpt-audio-mini-2025-12-15",
    "2027-04-01": "gpt-5.4-nano gpt-5.4-nano-2026-03-17 gpt-5.1 gpt-5.1-2025-11-13",
}
SHUTDOWN_DATES: Mapping[str, str] = MappingProxyType(
    {model: date for date, models in _SHUTDOWNS.items() for model in models.split()}
)


def model_warning(model: str, *, base_url: str, prices: RunPrices) -> str | None:
    """One sentence for log and report when ``model`` is not to be relied on, or None.

    That is: OpenAI has announced its end (whatever endpoint serves it, also as ``openai/gpt-4o`` or fine-tuned as
    ``ft:gpt-4o:…``), or ``base_url`` is OpenAI's own and neither the SDK nor the prices know the model.
    """
    name = model.strip().casefold()
    name = name.removeprefix("openai/").removeprefix("ft:").partition(":")[0]
    if date := SHUTDOWN_DATES.get(name):
        return (
            f"The judge's model {model!r} is deprecated: OpenAI announced to shut it down on {date}; choose another "
            "(AGENT_REPORT_JUDGE_MODEL)."
        )
    if urlsplit(base_url).hostname != _OPENAI_HOST or name in get_args(ChatModel):
        return None
    if prices.cost_usd(model, Tokens(1, 1), datetime.now(UTC)) is not None:
        return None
    return (
        f"The judge's model {model!r} is known neither to the openai SDK nor to the table of prices; is its name right "
        "(AGENT_REPORT_JUDGE_MODEL)? What it costs is unknown."
    )
