"""OPENAI_BASE_URL: what is called, what answers are known by, and what is refused with what to write instead."""

from __future__ import annotations

import pytest

from tasks.errors import ConfigurationError
from tasks.judge.endpoint.access.address import OPENAI_URL, Address, read_address

_GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
_FOUNDRY = "https://name.services.ai.azure.com/models"
_DEPLOYMENT = "https://name.openai.azure.com/openai/deployments/judge"


@pytest.mark.parametrize(
    ("text", "base_url", "query"),
    [
        ("", OPENAI_URL, {}),
        ("  https://api.openai.com/v1/ \n", OPENAI_URL, {}),
        ("http://localhost:11434/v1", "http://localhost:11434/v1", {}),
        ("HTTP://localhost:8080", "http://localhost:8080", {}),
        ("http://[::1]:8080/v1/", "http://[::1]:8080/v1", {}),
        ("https://name.openai.azure.com/openai/v1/", "https://name.openai.azure.com/openai/v1", {}),
        (f"{_DEPLOYMENT}?api-version=2024-10-21", _DEPLOYMENT, {"api-version": "2024-10-21"}),
        (f"{_DEPLOYMENT}/?api-version=2024-10-21", _DEPLOYMENT, {"api-version": "2024-10-21"}),
        ("http://gate/x?a=1&b=", "http://gate/x", {"a": "1", "b": ""}),
        (f"{_GEMINI}/", _GEMINI, {}),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1", {}),
        (f"{_FOUNDRY}?api-version=1", _FOUNDRY, {"api-version": "1"}),
    ],
)
def test_what_is_called(text: str, base_url: str, query: dict[str, str]) -> None:
    address = read_address(text)
    assert (address.base_url, address.query) == (base_url, query)


_REFUSED = {
    # The URL that Azure's portal shows.
    f"{_DEPLOYMENT}/chat/completions?api-version=2024-10-21": f"write {_DEPLOYMENT}?api-version=2024-10-21",
    "http://localhost:8000/v1/chat/completions": "write http://localhost:8000/v1",
    "http://localhost:8000/v1/chat/completions/": "write http://localhost:8000/v1",
    "http://localhost:8000/v1/Completions": "write http://localhost:8000/v1",
    "http://localhost:8000/v1/chat": "write http://localhost:8000/v1",
    "http://localhost:8000//v1": "write http://localhost:8000/v1",
    "http://https://llm.example.com/v1": "write https://llm.example.com/v1",
    "https://api.openai.com/v1/responses": "write https://api.openai.com/v1",
    "https://api.anthropic.com/v1/messages": "write https://api.anthropic.com/v1",
    "https://name.openai.azure.com/openai/responses?api-version=x": "write https://name.openai.azure.com/openai/v1",
    "http://localhost:11434/api/chat": "write http://localhost:11434/v1",
    "http://localhost:11434/v1/models": "write http://localhost:11434/v1",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash:generateContent": (
        "write https://generativelanguage.googleapis.com/v1beta/openai"
    ),
    "https://generativelanguage.googleapis.com/v1beta": "write https://generativelanguage.googleapis.com/v1beta/openai",
    "https://generativelanguage.googleapis.com/v1": "write https://generativelanguage.googleapis.com/v1beta/openai",
    "https://api.openai.com": "write https://api.openai.com/v1",
    "https://api.groq.com/openai": "write https://api.groq.com/openai/v1",
    "https://api.groq.com": "write https://api.groq.com/openai/v1",
    "https://openrouter.ai/api": "write https://openrouter.ai/api/v1",
    "https://openrouter.ai": "write https://openrouter.ai/api/v1",
    "https://api.mistral.ai/": "write https://api.mistral.ai/v1",
    "https://api.anthropic.com": "write https://api.anthropic.com/v1",
    "https://name.openai.azure.com/": "write https://name.openai.azure.com/openai/v1",
    "https://name.openai.azure.com/openai": "write https://name.openai.azure.com/openai/v1",
    f"{_DEPLOYMENT}/chat/completions": f"write {_DEPLOYMENT}?api-version=2024-10-21",
    "https://name.services.ai.azure.com/": "write https://name.services.ai.azure.com/openai/v1",
    "https://openrouter.ai/v1": "write https://openrouter.ai/api/v1",
    "https://api.groq.com/v1": "write https://api.groq.com/openai/v1",
    "https://dashscope.aliyuncs.com/api/v1": "write https://dashscope.aliyuncs.com/compatible-mode/v1",
    "http:/localhost:8000/v1": "write http://localhost:8000/v1",
    "https:llm.example.com/v1": "write https://llm.example.com/v1",
    _DEPLOYMENT: f"write {_DEPLOYMENT}?api-version=",
    "http://127.0.0.1:1/openai/deployments/x": "api-version",
    "localhost:8000/v1": "write http://localhost:8000/v1",
    "192.168.1.5:8000/v1": "write http://192.168.1.5:8000/v1",
    "llm.example.com/v1": "write https://llm.example.com/v1",
    '"http://localhost:8000/v1"': "without them",
    "http://local host:8000/v1": "a space",
    "http://localhost:port/v1": "its host or port cannot be read",
    "http:///v1": "must be a URL such as",
    "ftp://localhost/v1": "must be a URL such as",
    "http://256.1.1.1:8000/v1": "must be a URL such as",
    "http://localhost:8000/v1#chat": "leave it out",
}


@pytest.mark.parametrize("text", _REFUSED)
def test_what_is_certainly_wrong_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_address(text)
    message = str(caught.value)
    assert message.startswith("wrong setting: OPENAI_BASE_URL")
    assert _REFUSED[text] in message


@pytest.mark.parametrize("text", [text for text, message in _REFUSED.items() if message.startswith("write http")])
def test_what_is_to_be_written_is_accepted(text: str) -> None:
    if not _REFUSED[text].endswith("api-version="):
        read_address(_REFUSED[text].removeprefix("write "))


def test_a_refusal_shows_neither_credentials_nor_the_query() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_address("https://me:s3cret@llm.example.com/v1/chat/completions?key=hush")
    assert str(caught.value).endswith("write https://***@llm.example.com/v1")


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("", "api.openai.com/v1"),
        ("http://me:s3cret@LocalHost:8000/v1/?key=hush", "localhost:8000/v1"),
        ("http://localhost:80/v1", "localhost/v1"),
        ("https://localhost:443/v1", "localhost/v1"),
        ("http://[::1]:8080/v1", "[::1]:8080/v1"),
        (f"{_DEPLOYMENT}?api-version=1", "name.openai.azure.com/openai/deployments/judge"),
        (f"{_DEPLOYMENT}?api-version=2", "name.openai.azure.com/openai/deployments/judge"),
    ],
)
def test_answers_are_known_by_host_port_and_path(text: str, identity: str) -> None:
    assert read_address(text).identity == identity


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"{_DEPLOYMENT}?api-version=2024-10-21", True),
        ("http://127.0.0.1:1/openai/deployments/x?api-version=2024-10-21", True),
        ("https://gate.azure-api.net/llm?api-version=2024-10-21", True),
        ("https://name.services.ai.azure.com/x?api-version=2024-05-01-preview", True),
        ("https://name.openai.azure.com/openai/v1", False),
        ("https://api.groq.com/openai/v1", False),
        ("http://localhost:8000/v1", False),
    ],
)
def test_azures_deployments_want_the_key_in_a_header_of_their_own(text: str, wanted: bool) -> None:
    assert read_address(text).wants_api_key_header is wanted


def test_what_may_be_wrong_is_a_hint() -> None:
    assert "http://localhost:11434/v1" in read_address("http://localhost:11434").path_hint
    assert read_address("http://localhost:11434/v1").path_hint == ""
    assert read_address("http://gate/x?route=1").path_hint == ""
    assert "***@" in Address("http://me:s3cret@llm").path_hint
    assert "Ollama 11434" in read_address("http://localhost/v1").port_hint
    assert read_address("http://localhost:80/v1").port_hint == ""
    assert read_address("https://llm.example.com/v1").port_hint == ""
