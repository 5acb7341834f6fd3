"""An OpenAI-compatible endpoint on loopback that tells one story: five LLM calls, five tool calls, one of them failing.

Chat completions and responses, without streaming. Each story has a base URL of its own, and its requests are counted:
what frameworks send back of a failed call differs too much to know the turn by it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
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
    """The endpoint's URL, to which a story adds its name for a base URL, while the block runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()

    def next_turn(self, path: str) -> int:
        with self._lock:
            self._asked[path] += 1
            return (self._asked[path] - 1) % LLM_CALLS


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tools = [tool.get("name") or tool["function"]["name"] for tool in request.get("tools") or ()]
        turn = self.server.next_turn(self.path)  # type: ignore[attr-defined]
        answer = _response(turn, tools) if self.path.endswith("/responses") else _completion(turn, tools)
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


def _completion(turn: int, tools: Sequence[str]) -> dict[str, Any]:
    calls = _calls(turn, tools)
    message: dict[str, Any] = {"role": "assistant", "content": None if calls else ANSWER}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{turn}_{place}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(given)},
            }
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


def _response(turn: int, tools: Sequence[str]) -> dict[str, Any]:
    calls = _calls(turn, tools)
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
        "tools": [],
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "input_tokens_details": {"cached_tokens": CACHED_TOKENS, "cache_write_tokens": 0},
            "output_tokens": OUTPUT_TOKENS,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }
