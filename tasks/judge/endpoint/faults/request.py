"""Rows of the table that concern the request: another one, or a shorter one, may be taken."""

from __future__ import annotations

import re

from tasks.judge.endpoint.faults.fault import Example, Fault, any_of
from tasks.judge.endpoint.refusals.refusal import Refusal
from tasks.judge.endpoint.stated_limits import read_stated_limits

_FORMAT_PARAM = re.compile(r"(?:response_format|response_schema|generation_config|output_config|text\.format)\b")
# A parser's numbers are positions in the body.
_OF_THE_BODY = re.compile(r"deserialize|unknown variant|response_?format", re.IGNORECASE)
# What is refused by these names is not the format.
_OTHERS = (
    r"\b(?:reasoning_effort|service_tier|top_[pk]|tools?|tool_choice|stream|thinking|seed|verbosity|logprobs|stop)\b"
)
_FORMAT_STATUSES = frozenset({400, 404, 405, 406, 415, 422, 500, 501})


def _is_too_long(refusal: Refusal) -> bool:
    """Whether it is of the prompt's length; an output limit that is too large by itself has a row of its own."""
    if _OF_THE_BODY.search(refusal.words):
        return False
    stated = read_stated_limits(refusal.words, [dict(refusal.figures), *refusal.names])
    return stated is not None and (stated.refused == "prompt" or stated.context_tokens is not None)


REQUEST_FAULTS: tuple[Fault, ...] = (
    Fault(
        cause="length",
        what="Prompt exceeds the context window",
        next="The question is asked again, first with a lower output limit (down to what a short answer needs), then "
        "with less evidence, so that it fits the limit stated in the error. If the error states no limit, the "
        "size is halved.",
        statuses=frozenset({400, 413, 422, 424, 500}),
        alone_statuses=frozenset({413}),
        names=frozenset(
            {
                "context_length_exceeded",
                "contextwindowexceedederror",
                "exceed_context_size_error",
                "string_above_max_length",
                "request_too_large",
                "tokens_limit_reached",
                "model_max_prompt_tokens_exceeded",
                "1039",
                "1261",
            }
        ),
        matches=_is_too_long,
        examples=(
            Example(
                "OpenAI",
                400,
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
                code="context_length_exceeded",
                param="messages",
            ),
            Example(
                "vLLM",
                400,
                "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is "
                "8192 tokens and your request has 1250 input tokens (8000 > 8192 - 1250).",
                param="max_tokens",
            ),
            Example(
                "llama.cpp",
                400,
                "request (65143 tokens) exceeds the available context size (8192 tokens), try increasing it",
                code="exceed_context_size_error",
            ),
            Example("LM Studio", 400, "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"),
            Example(
                "sglang", 400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."
            ),
            Example(
                "xAI",
                400,
                "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
            ),
            Example("Zhipu", 400, "Prompt exceeds max length", code="1261"),
            Example("Anthropic", 400, "prompt is too long: 210000 tokens > 200000 maximum"),
            Example("nginx", 413, "413 Request Entity Too Large"),
        ),
    ),
    Fault(
        cause="length",
        what="Prompt exceeds the tokens-per-minute limit",
        next="The question is shortened, as above, because waiting does not help.",
        statuses=frozenset({429}),
        words=any_of(r"request too large"),
        examples=(
            Example(
                "OpenAI",
                429,
                "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 41000.",
                code="rate_limit_exceeded",
            ),
        ),
    ),
    Fault(
        cause="role",
        what="System role not supported",
        next="The instructions move to the start of the user message; the response format does not change.",
        statuses=frozenset({400, 404, 422, 500, 501}),
        param=re.compile(r"messages?[.\[].{0,60}role"),
        words=any_of(
            r"developer instruction is not enabled|roles (?:must alternate|(?:should|must) be alternating)",
            r"system[ _](?:role|message|prompt|instruction)s?[^.]{0,20}(?:not|n't|un)[ -]?(?:support|allow|enabl)",
            r"(?:not support|unsupported|unexpected|invalid|unknown|got|only)[^.]{0,40}"
            r"(?:role[^.]{0,20}system|system role|['\"`]system['\"`])",
            r"(?:not|n't) support[^.]{0,40}system (?:role|message|prompt|instruction)",
            r"only user(?:,|,? and) assistant[^.]{0,60}(?:supported|allowed)|(?:jinja|template).{0,300}?\broles?\b",
            r"messages?[.\[].{0,40}role: ",
        ),
        examples=(
            Example("Gemini", 400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
            Example(
                "OpenAI",
                400,
                "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                code="unsupported_value",
                param="messages[0].role",
            ),
            Example("sglang", 400, "System role not supported"),
            Example(
                "llama.cpp",
                500,
                "Error: Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/...",
                code="server_error",
            ),
            Example("llama.cpp", 500, "Only user, assistant and tool roles are supported, got system."),
            Example("vLLM", 400, "messages.0.typed-dict.role: Input should be 'user'"),
        ),
    ),
    Fault(
        cause="generation",
        what="Model output rejected by the endpoint as invalid JSON",
        next="The question is asked once more; if that fails too, it is asked in the next simpler response format.",
        statuses=frozenset({400, 422, 424, 500, 502}),
        names=frozenset({"json_validate_failed", "output_parse_failed", "json_parse_failed"}),
        words=any_of(
            r"failed to (?:generate|validate) (?:valid |a valid )?json",
            r"generated (?:json|output)[^.]{0,40}(?:match|valid)",
            r"failed to parse (?:the )?(?:model|generated|output|input at pos)|output that could not be parsed",
            r"the completion has no choices",
        ),
        examples=(
            Example(
                "Groq",
                400,
                "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
                code="json_validate_failed",
            ),
            Example(
                "Groq",
                400,
                "Parsing failed. The model generated output that could not be parsed.",
                code="output_parse_failed",
            ),
            Example("llama.cpp", 500, "Failed to parse input at pos 118", code="server_error"),
        ),
    ),
    Fault(
        cause="schema",
        what="JSON schema keyword not supported",
        next="The keyword is removed from the schema: `additionalProperties`, `minimum` and `maximum`, `strict`, or "
        "a list of types. Code still checks each answer against them.",
        statuses=frozenset({400, 422, 500, 501}),
        words=any_of(
            r"additional_?properties|['\"`](?:minimum|maximum)['\"`]|properties (?:maximum|minimum)",
            r"(?:keyword|field|property|constraint)s?:? (?:minimum|maximum)\b|(?:minimum|maximum) (?:is|are) not",
            r"['\"`.]strict\b|cannot start list|lists? of types|type arrays?|['\"`]type['\"`] must be a string",
            r"schema[^.]{0,60}(?:feature|keyword)s?[^.]{0,40}(?:not |un)support|unsupported[ _](?:schema )?keyword",
        ),
        examples=(
            Example(
                "Gemini",
                400,
                'Invalid JSON payload received. Unknown name "additionalProperties" at '
                "'generation_config.response_schema': Cannot find field.",
            ),
            Example(
                "Gemini",
                400,
                "Invalid value at 'generation_config.response_schema' (type): Proto field is not repeating, cannot "
                "start list.",
            ),
            Example(
                "Azure OpenAI",
                400,
                "Invalid schema for response_format 'judgement': In context=('properties', 'score'), 'minimum' is not "
                "permitted.",
                param="response_format",
            ),
            Example(
                "Anthropic",
                400,
                "output_config.format.schema: For 'number' type, properties maximum, minimum are not supported",
            ),
            Example("Mistral", 422, "response_format.json_schema.strict: Extra inputs are not permitted"),
            Example(
                "vLLM",
                400,
                "The provided JSON schema contains features not supported by xgrammar.",
                code="BadRequestError",
            ),
        ),
    ),
    Fault(
        cause="format",
        what="Response format not supported",
        next="The next simpler format is used: `json_schema`, `json_object` with the schema in it, `json_object`, "
        "then instructions only. If the format does not carry the schema, the instructions do. An HTTP 500 has "
        "this effect only until the first answer in the current format.",
        statuses=_FORMAT_STATUSES,
        named=True,
        param=_FORMAT_PARAM,
        words=any_of(
            r"response[_ -]?(?:format|schema|mime_?type)|json_schema|json_object|json[ -]mode|structured[ _-]?output",
            r"guided|grammar|controlled generation|output_config|xgrammar|outlines|handle the requested parameters",
            r"(?:invalid|unsupported|complex|json) schema|schema[^.]{0,60}(?:too |not support|unsupport|invalid|fail)",
            r"schema[^.]{0,90}(?:must have|nesting)|failed to initialize samplers",
            r"too many states|invalid format|required for format",
        ),
        examples=(
            Example(
                "OpenAI",
                400,
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                param="response_format",
            ),
            Example("DeepSeek", 400, "This response_format type is unavailable now", code="invalid_request_error"),
            Example("Mistral", 422, "response_format.json_schema: Extra inputs are not permitted"),
            Example(
                "llama-cpp-python",
                500,
                "response_format.type: Input should be 'text' or 'json_object'",
                code="internal_server_error",
            ),
            Example(
                "ik_llama.cpp",
                500,
                'response_format type must be one of "text" or "json_object", but got: json_schema',
                code="server_error",
            ),
            Example("OpenRouter", 404, "No endpoints found that can handle the requested parameters."),
            Example("Gemini", 400, "JSON mode is not enabled for models/gemma-3-27b-it"),
            Example("Groq", 400, "This model does not support response format `json_schema`."),
            Example("OpenRouter", 400, "The compiled grammar is too large"),
            Example("Gemini", 400, "The specified schema produces a constraint that has too many states for serving."),
        ),
    ),
    Fault(
        cause="limit",
        what="Output limit not supported or too large",
        next="`max_completion_tokens` is replaced by `max_tokens`, or the other way round; a limit that is too large "
        "is lowered to the maximum stated in the error. If neither name is accepted, no limit is sent.",
        statuses=frozenset({400, 422, 500}),
        named=True,
        param=re.compile(r"max_(?:completion_|new_|output_)?tokens\b"),
        words=any_of(
            r"\bmax_?(?:completion_?|new_?|output_?)?tokens\b|max output tokens",
            r"max(?:imum)? tokens (?:of|you requested)",
        ),
        examples=(
            Example("Azure OpenAI", 400, "Unrecognized request argument supplied: max_completion_tokens"),
            Example("Mistral", 422, "max_completion_tokens: Extra inputs are not permitted"),
            Example(
                "OpenAI",
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                "instead.",
                param="max_tokens",
            ),
            Example(
                "OpenAI",
                400,
                "max_tokens is too large: 8000. This model supports at most 4096 completion tokens, whereas you "
                "provided 8000.",
                param="max_tokens",
            ),
            Example("DeepSeek", 400, "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]"),
            Example(
                "Groq",
                400,
                "max_completion_tokens must be less than or equal to 4096, the maximum value for max_completion_tokens",
            ),
        ),
    ),
    Fault(
        cause="temperature",
        what="Temperature not supported",
        next="The temperature is no longer sent.",
        statuses=frozenset({400, 422, 500}),
        named=True,
        param=re.compile(r"temperature\b"),
        words=any_of(r"\btemperature\b"),
        examples=(
            Example(
                "OpenAI",
                400,
                "Unsupported value: 'temperature' does not support 0 with this model.",
                code="unsupported_value",
                param="temperature",
            ),
            Example("TGI", 422, "Input validation error: `temperature` must be strictly positive"),
            Example("Anthropic", 400, "`temperature` is deprecated for this model."),
        ),
    ),
    Fault(
        cause="stream",
        what="Streaming required",
        next="The answer is requested as a stream, and its events are assembled.",
        statuses=frozenset({400, 422}),
        words=any_of(r"only supports? stream|stream(?:ing)? (?:must be|is required|should be)|non-streaming calls"),
        examples=(
            Example(
                "DashScope",
                400,
                "This model only support stream mode, please enable the stream parameter to access the model.",
                code="invalid_parameter_error",
            ),
            Example(
                "DashScope",
                400,
                "parameter.enable_thinking must be set to false for non-streaming calls",
                code="invalid_parameter_error",
            ),
        ),
    ),
    Fault(
        cause="unnamed",
        what="Unspecified unsupported parameter",
        next="The next simpler response format is tried, unless a call has already been answered in the current one.",
        statuses=frozenset({400, 422}),
        words=any_of(
            rf"^$|^(?!.{{0,300}}?{_OTHERS}).{{0,300}}?(?:unsupported|not support|unrecognized|not permitted"
            r"|unknown (?:parameter|field|argument))",
            r"^(?:http )?(?:400:? ?|422:? ?)?(?:bad request|invalid request|unprocessable (?:entity|content)"
            r"|invalid (?:argument|param(?:eter)?s?)|validation error|request contains an invalid argument)\W{0,3}$",
        ),
        examples=(
            Example("a proxy", 400, ""),
            Example("Gemini", 400, "Request contains an invalid argument."),
            Example("a proxy", 422, "Unprocessable Entity"),
            Example("a server", 400, "Unsupported request"),
        ),
    ),
)
