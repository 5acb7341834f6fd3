"""An OpenAI-compatible endpoint on loopback that tells one story: five LLM calls, five tool calls, one of them failing.

Chat completions and responses, without streaming. It keeps no state: how often the assistant has spoken says which
turn it is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

MODEL = "test-model-1"
TASK = "Plan my trip to Paris: weather, local time, and a room for two."
ANSWER = "It is sunny in Paris at 10:00, and the Ritz is booked for two."
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 200, 40, 20
LLM_CALLS = 5
_TURNS: Sequence[Sequence[tuple[str, dict[str, Any]]]] = (
    (("get_weather", {"city": "Paris"}), ("get_time", {"city": "Paris"})),
    (("get_weather", {"city": "Rome"}),),
    (("book", {"hotel": "Savoy"}),),
    (("book", {"hotel": "Ritz"}),),
)
TOOL_CALLS = {"get_weather": 2, "get_time": 1, "book": 2}
_NUMBERS = count(1)


@contextmanager
def serve() -> Iterator[str]:
    """The endpoint's base URL, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = _response(request) if self.path.endswith("/responses") else _completion(request)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _calls(turn: int, tools: Sequence[str]) -> Sequence[tuple[str, dict[str, Any]]]:
    """What the assistant calls in ``turn``; smolagents has a tool for the last answer too."""
    if turn < len(_TURNS):
        return _TURNS[turn]
    return (("final_answer", {"answer": ANSWER}),) if "final_answer" in tools else ()


def _completion(request: dict[str, Any]) -> dict[str, Any]:
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    calls = _calls(turn, [tool["function"]["name"] for tool in request.get("tools") or ()])
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else ANSWER}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{turn}_{place}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for place, (name, given) in enumerate(calls)
        ]
    return {
        "id": f"chatcmpl-{next(_NUMBERS)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
        },
    }


def _response(request: dict[str, Any]) -> dict[str, Any]:
    given = request["input"] if isinstance(request["input"], list) else []
    called = sum(item.get("type") == "function_call" for item in given)
    turn = {0: 0, 2: 1}.get(called, called - 1)
    calls = _calls(turn, [tool.get("name", "") for tool in request.get("tools") or ()])
    output: list[dict[str, Any]] = [
        {
            "id": f"fc_{turn}_{place}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{turn}_{place}",
            "name": name,
            "arguments": json.dumps(arguments),
        }
        for place, (name, arguments) in enumerate(calls)
    ]
    if not calls:
        text = {"type": "output_text", "text": ANSWER, "annotations": []}
        output = [{"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}]
    return {
        "id": f"resp_{next(_NUMBERS)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": MODEL,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": request.get("tools") or [],
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "input_tokens_details": {"cached_tokens": CACHED_TOKENS, "cache_write_tokens": 0},
            "output_tokens": OUTPUT_TOKENS,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }
