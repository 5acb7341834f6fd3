"""The page on judges: every block of settings is one that a report would accept."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tasks.connecting import open_clients
from tasks.judge.endpoint.access.address import read_address
from tasks.judge.endpoint.access.extra import check_extra
from tasks.settings import ReportOptions, read_settings

_JUDGES = {
    "OpenAI": "api.openai.com/v1",
    "Azure OpenAI": "name.openai.azure.com/openai/v1",
    "Gemini": "generativelanguage.googleapis.com/v1beta/openai",
    "Anthropic": "api.anthropic.com/v1",
    "Mistral": "api.mistral.ai/v1",
    "Groq": "api.groq.com/openai/v1",
    "OpenRouter": "openrouter.ai/api/v1",
    "LiteLLM": "localhost:4000/v1",
    "vLLM": "localhost:8000/v1",
    "Ollama": "localhost:11434/v1",
    "LM Studio": "localhost:1234/v1",
    "llama.cpp": "localhost:8080/v1",
}


def _blocks(page: Any) -> dict[str, list[dict[str, str]]]:
    """The settings in each block of a section, by the section's title."""
    found = {}
    for section in re.split(r"^## ", page.text, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        exports = [[shlex.split(line) for line in block.splitlines()] for block in blocks]
        assert all(words[0] == "export" for lines in exports for words in lines)
        found[section.partition("\n")[0]] = [
            dict(words[1].split("=", 1) for words in lines)  # type: ignore[misc]
            for lines in exports
        ]
    return found


@pytest.fixture
def blocks(pages: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    return _blocks(pages["docs/guide/judges.md"])


def test_every_judge_has_its_settings(blocks: dict[str, list[dict[str, str]]]) -> None:
    assert {name: read_address(blocks[name][0].get("OPENAI_BASE_URL", "")).identity for name in _JUDGES} == _JUDGES


@pytest.mark.parametrize("section", [*_JUDGES, "Headers"])
def test_a_report_accepts_the_settings_of_each_block(
    section: str, blocks: dict[str, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for variables in blocks[section]:
        with monkeypatch.context() as patch:
            for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            settings = read_settings()
            check_extra(settings.judge_extra)
            # A token would have to be obtained.
            if not settings.judge_entra_scope:
                with open_clients() as clients:
                    client = clients.judge_client(settings.options(ReportOptions()))
                assert client.extra == settings.judge_extra
                assert settings.judge_headers or variables.get("OPENAI_API_KEY", "none") == client.openai.api_key


def test_extras_in_the_text_are_accepted(pages: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    named = re.findall(r"`AGENT_REPORT_JUDGE_EXTRA='([^`]+)'`", pages["docs/guide/judges.md"].text)
    assert named
    for text in named:
        monkeypatch.setenv("AGENT_REPORT_JUDGE_EXTRA", text)
        check_extra(read_settings().judge_extra)
