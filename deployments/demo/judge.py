"""A simulated judge: an OpenAI-compatible endpoint on 127.0.0.1 that takes as long as a real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from deployments.demo.answers import derive_answer
from deployments.demo.loopback import LoopbackServer, Request, Response
from tasks.settings import SIMULATED_JUDGE_MODEL


def asked_schema(payload: dict[str, Any]) -> dict[str, Any]:
    """The schema of the answer that this chat request wants: as its format, or as a line of the instructions."""
    form = payload.get("response_format", {})
    if form.get("type") == "json_schema":
        return cast(dict[str, Any], form["json_schema"]["schema"])
    line = payload["messages"][0]["content"].partition("JSON Schema:\n")[2].partition("\n")[0]
    return cast(dict[str, Any], json.loads(line))


def is_team(payload: dict[str, Any]) -> bool:
    """Whether this chat request asks about the team."""
    return "executive_summary" in asked_schema(payload).get("properties", {})


def completion(content: str | None, *, model: str = SIMULATED_JUDGE_MODEL, **changes: Any) -> dict[str, Any]:
    """A chat completion with ``content``. ``finish_reason``, ``refusal`` and ``usage`` may be given otherwise."""
    message = {"role": "assistant", "content": content, "refusal": changes.get("refusal")}
    words = len(content or "") // 4
    usage = {"prompt_tokens": 1000, "completion_tokens": words, "total_tokens": 1000 + words}
    return {
        "id": "simulated",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": changes.get("finish_reason", "stop")}],
        "usage": changes.get("usage", usage),
    }


class SimulatedJudge(LoopbackServer):
    """Answers ``/v1/chat/completions`` after ``agent_seconds`` or ``team_seconds``.

    ``respond(payload, request)`` may answer otherwise: it returns a Response, or None for the usual answer.
    """

    def __init__(
        self,
        *,
        agent_seconds: float = 2.0,
        team_seconds: float = 3.0,
        respond: Callable[[dict[str, Any], Request], Response | None] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(self._chat, port=port)
        self._agent_seconds = agent_seconds
        self._team_seconds = team_seconds
        self._override = respond

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL should be."""
        return f"{self.url}/v1"

    def _chat(self, request: Request) -> Response:
        if request.method != "POST" or request.path != "/v1/chat/completions":
            return Response(404, b'{"error": {"message": "unknown path", "code": null}}')
        payload = json.loads(request.body)
        delay = self._team_seconds if is_team(payload) else self._agent_seconds
        if self._override is not None and (response := self._override(payload, request)) is not None:
            response.delay_seconds = response.delay_seconds or delay
            return response
        schema = asked_schema(payload)
        evidence = next(message["content"] for message in payload["messages"] if message["role"] == "user")
        answer = json.dumps(derive_answer(evidence, schema))
        usage = {
            "prompt_tokens": sum(len(message["content"]) for message in payload["messages"]) // 4,
            "completion_tokens": len(answer) // 4,
        }
        body = completion(answer, model=payload["model"], usage=usage)
        return Response(body=json.dumps(body).encode(), delay_seconds=delay)
