"""What people call the columns of the source contract, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.init.columns import Kind


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the contract: names with how surely they mean it, the kinds that it has, and those it never has."""

    names: Mapping[str, float]
    kinds: frozenset[Kind]
    never: frozenset[Kind] = frozenset()


_TEXT: frozenset[Kind] = frozenset({"text"})
_WORDS: frozenset[Kind] = frozenset({"text", "number"})
_PROSE: frozenset[Kind] = frozenset({"text", "object", "list"})
_NUMBER: frozenset[Kind] = frozenset({"number"})
_TIME: frozenset[Kind] = frozenset({"time"})
_JSON: frozenset[Kind] = frozenset({"list", "object"})
_BOOL: frozenset[Kind] = frozenset({"bool", "number"})
_NO_PROSE: frozenset[Kind] = frozenset({"number", "bool", "time"})
_NO_NUMBER: frozenset[Kind] = frozenset({"text", "list", "object", "bool", "time"})
_NO_WORD: frozenset[Kind] = frozenset({"list", "object", "bool", "time"})


def _ranked(names: str, first: float = 1.0, step: float = 0.03) -> dict[str, float]:
    """The names, the surest first."""
    return {name: max(0.1, first - step * rank) for rank, name in enumerate(names.split())}


def _times(verbs: str, rest: str, first: float) -> dict[str, float]:
    """Names of moments: each verb with what people put behind it, then ``rest``."""
    endings = ("at", "time", "on", "date", "timestamp", "utc", "datetime", "ms")
    whole = dict.fromkeys(verbs.split(), first - 0.05)
    return (
        whole | {f"{verb}_{ending}": first for verb in verbs.split() for ending in endings} | _ranked(rest, first - 0.2)
    )


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _pairs(first: str, second: str, score: float) -> dict[str, float]:
    """Names of two parts."""
    return {f"{one}_{other}": score for one in first.split() for other in second.split()}


_MESSAGE_WORDS = "text message utterance"
_TOKENS_IN = _pairs("input prompt in", "tokens tokens_count", 0.95) | _pairs("tokens", "in input prompt", 0.95)
_TOKENS_OUT = _pairs("output completion out", "tokens tokens_count", 0.95) | _pairs(
    "tokens", "out output completion", 0.95
)
_ANSWER_WORDS = "response answer reply output"

RUN_FIELDS: Mapping[str, Field] = {
    "id": Field(
        _ranked("id uid uuid guid run_id pk key")
        | _ranked("request_id execution_id invocation_id conversation_id session_id trace_id thread_id ", 0.62, 0.01),
        _WORDS,
        _NO_WORD,
    ),
    "agent": Field(
        _pairs("agent bot assistant", "key code ref slug uid uuid", 0.85)
        | _ranked("agent agent_name agent_id bot bot_name bot_id assistant assistant_name assistant_id ")
        | _ranked("agent_slug bot_slug agent_key agent_uid agent_uuid worker crew persona copilot", 0.85, 0.01)
        | _ranked(
            "workflow workflow_name workflow_id flow flow_name pipeline chain graph app app_name application",
            0.65,
            0.01,
        )
        | _ranked(
            "handled_by executed_by run_by assigned_to assignee actor service service_name skill deployment name",
            0.55,
            0.014,
        ),
        _WORDS,
        _NO_WORD,
    ),
    "environment": Field(
        _ranked("environment env environment_name env_name deployment_environment stage environment_id env_id")
        | _ranked("workspace namespace project project_name tenant tier", 0.55, 0.03),
        _WORDS,
        _NO_WORD,
    ),
    "status": Field(
        _ranked("status state outcome run_status final_status result_status completion_status status_code phase")
        | _ranked("disposition verdict result resolution", 0.62, 0.04),
        _TEXT,
        frozenset({"list", "object", "time", "bool"}),
    ),
    "started_at": Field(
        _times(
            "requested request received submitted asked created "
            "inserted event occurred queued launched kicked_off first_seen",
            "timestamp ts date datetime time day logged_at",
            0.75,
        )
        | _times("opened open", "", 0.8)
        | _times("started start began begin begun", "", 1.0)
        | {"updated_at": 0.25},
        frozenset({"time", "number"}),
        frozenset({"text", "list", "object", "bool"}),
    ),
    "completed_at": Field(
        _times("replied responded answered resolved closed close done stopped last_seen", "", 0.75)
        | _times("completed finished ended end finish complete terminated", "", 1.0)
        | {"updated_at": 0.3},
        frozenset({"time", "number"}),
        frozenset({"text", "list", "object", "bool"}),
    ),
    "duration_seconds": Field(
        _ranked(
            "duration_seconds duration elapsed_seconds elapsed duration runtime run_time seconds took "
            "latency latency_seconds time_taken processing_time execution_time wall_seconds total_seconds"
        )
        | _ranked("duration_ms latency_ms elapsed_ms took_ms response_time_ms response_time", 0.8, 0.01),
        _NUMBER,
        _NO_NUMBER,
    ),
    "task": Field(
        _pairs(
            "user customer human client caller initial original",
            f"{_MESSAGE_WORDS} question input prompt request query ask",
            0.9,
        )
        | {"utterance": 0.9, "inbound": 0.6}
        | _ranked(
            "task question prompt query user_input user_message user_query user_prompt input request task_description"
        )
        | _ranked(
            "goal instruction instructions objective ask inputs message problem ticket issue subject title", 0.75, 0.03
        ),
        _PROSE,
        _NO_PROSE,
    ),
    "final_response": Field(
        _pairs("agent bot assistant ai model llm final", f"{_MESSAGE_WORDS} {_ANSWER_WORDS}", 0.92)
        | {"outbound": 0.6}
        | _ranked(
            "final_response response answer reply output final_answer final_output completion assistant_message result"
        )
        | _ranked("outputs generated_text generation bot_response solution summary", 0.75, 0.04),
        _PROSE,
        _NO_PROSE,
    ),
    "expected": Field(
        _pairs("expected ideal correct gold golden target reference", "answer output result response", 0.95)
        | _ranked(
            "expected expected_output expected_answer ground_truth reference reference_answer "
            "reference_output gold golden"
        ),
        _PROSE,
    ),
    "context": Field(
        _ranked("context contexts documents retrieved_documents retrieved sources retrieval passages "), _PROSE
    ),
    "error": Field(
        {"stack_trace": 0.8, "traceback": 0.8, "fault": 0.6}
        | _pairs("failure error", "message text details detail description", 0.93)
        | _ranked(
            "error error_message exception err failure_reason error_text failure error_details last_error error_type"
        ),
        _PROSE,
        _NO_PROSE,
    ),
    "tool_calls": Field(
        _pairs("tool function", "use uses usage log trace events invocations call_log invocation_log", 0.85)
        | _ranked(
            "tool_calls toolcalls tool_invocations tools_called tool_uses function_calls actions calls "
            "tools tool_results"
        ),
        _JSON,
        _NO_PROSE,
    ),
    "execution_steps": Field(
        _ranked(
            "execution_steps steps intermediate_steps trajectory trace_steps events step_log history trace log",
            1.0,
            0.05,
        ),
        _JSON,
        _NO_PROSE,
    ),
    "messages": Field(
        _ranked(
            "messages conversation transcript chat_history message_history chat dialog dialogue history thread turns"
        ),
        _JSON,
        _NO_PROSE | {"text"},
    ),
    "input_tokens": Field(
        _TOKENS_IN
        | _ranked(
            "input_tokens prompt_tokens tokens_in input_tokens_count prompt_tokens_count tokens_input "
            "tokens_prompt in_tokens"
        ),
        _NUMBER,
        _NO_NUMBER,
    ),
    "output_tokens": Field(
        _TOKENS_OUT
        | _ranked(
            "output_tokens completion_tokens tokens_out output_tokens_count completion_tokens_count "
            "tokens_output out_tokens"
        ),
        _NUMBER,
        _NO_NUMBER,
    ),
    "total_tokens": Field(
        _ranked("total_tokens tokens tokens_count tokens_total total_tokens_count tokens_used token_usage "),
        _NUMBER,
        _NO_NUMBER,
    ),
    "cost_usd": Field(
        _ranked("cost_usd total_cost cost price_usd usd total_cost_usd cost_dollars cost_cents price spend "),
        _NUMBER,
        _NO_NUMBER,
    ),
    "model_name": Field(
        {"llm_id": 0.85} | _ranked("model_name model llm model_id llm_model model_used engine llm_name"),
        _TEXT,
        frozenset({"number", *_NO_WORD}),
    ),
    "session_id": Field(
        _pairs("session conversation thread chat dialogue", "id key uuid uid", 0.92)
        | _ranked(
            "session_id conversation_id chat_session_id dialogue_id thread_id "
            "session chat_id thread conversation_key dialog_id"
        ),
        _WORDS,
        _NO_WORD,
    ),
    "parent_run_id": Field(_ranked("parent_run_id parent_id parent parent_run parent_uid"), _WORDS, _NO_WORD),
    "trace_id": Field(_ranked("trace_id traceid otel_trace_id trace traceparent"), _TEXT, _NO_WORD),
    "version": Field(
        _ranked("version agent_version bot_version release prompt_version app_version git_sha commit build revision"),
        _WORDS,
        _NO_WORD,
    ),
    "succeeded": Field(
        _ranked("succeeded success successful is_success ok passed is_successful solved resolved is_correct correct"),
        _BOOL,
        frozenset({"text", "list", "object", "time"}),
    ),
    "owner": Field(_ranked("owner owned_by team squad owner_name"), _TEXT, _NO_WORD),
    "tags": Field(
        _ranked("tags labels keywords"), frozenset({"list", "text", "object"}), frozenset({"number", "bool", "time"})
    ),
}

AGENT_FIELDS: Mapping[str, Field] = {
    "id": Field(_ranked("id uid uuid guid agent_id bot_id assistant_id slug key pk"), _WORDS, _NO_WORD),
    "name": Field(_ranked("name title display_name agent_name bot_name label slug"), _TEXT, _NO_WORD),
    "description": Field(_ranked("description about summary purpose details role descr desc goal"), _TEXT, _NO_PROSE),
    "prompt": Field(
        _ranked("prompt system_prompt instructions system_message instruction system prompt_template persona"),
        _TEXT,
        _NO_PROSE,
    ),
    "owner": Field(_ranked("owner team squad owned_by owner_name maintainer"), _TEXT, _NO_WORD),
    "environment": RUN_FIELDS["environment"],
}

SHORT_FORMS = {
    "tok": "tokens",
    "toks": "tokens",
    "token": "tokens",
    "msg": "message",
    "err": "error",
    "conv": "conversation",
    "ver": "version",
    "sec": "seconds",
    "secs": "seconds",
    "millis": "ms",
    "exec": "execution",
    "resp": "response",
    "ans": "answer",
    "dur": "duration",
    "cnt": "count",
    "ts": "timestamp",
    "dt": "date",
}
FILLERS = _set("text txt str string value raw content body data json usd s n")
NEVER_AGENTS = _set(
    "user customer client email country language lang locale channel source category currency region "
    "version type kind priority platform device browser ip plan tier method level role rating score "
    "status error model"
)
KEY_WORDS = _set("id ids uid uuid guid key pk no nr num number code ref reference ticket case run request issue order")
MEASURE_WORDS = _set(
    "time at on date datetime timestamp ts day ms seconds minutes epoch tokens count cost price usd duration latency "
    "elapsed score rating amount total size length bytes question answer prompt response reply input output message "
    "text email phone url"
)
WRAPPERS = _set(
    "meta metadata data attributes attrs attr payload body properties props extra details info context tags record "
    "run event trace item result response"
)
STEP_TYPES = ("run_type", "type", "kind", "span_kind", "observation_type", "span_type")
STEP_WORDS = _set("llm tool retriever generation span chain embedding")
FAILED_FLAGS = frozenset({"failed", "error", "errored", "is_error", "is_failed", "has_error", "has_failed"})

AGENT_TABLES = frozenset(
    {"agent", "bot", "assistant", "worker", "persona", "workflow", "flow", "crew", "copilot", "app"}
)
RUN_TABLES = _set(
    "run execution conversation session job invocation interaction request task dialog dialogue chat "
    "trace call completion generation ticket thread"
)
PART_TABLES = _set(
    "step span message event log turn tool feedback score annotation rating user account document "
    "chunk embedding migration setting label evaluation environment project"
)
