"""Rows of the table for what its status explains, when nothing else does."""

from __future__ import annotations

from tasks.judge.endpoint.faults.fault import Example, Fault, any_of

SERVER_FAULTS: tuple[Fault, ...] = (
    Fault(
        cause="loading",
        what="Server loading or overloaded",
        next="The call is retried until the agent's time limit, after the pause that the server asks for, or else "
        "after pauses that double up to 20 s.",
        statuses=frozenset({400, 404, 409, 424, 425, 498, 500, 502, 504}),
        alone_statuses=frozenset({503, 529}),
        names=frozenset(
            {
                "unavailable_error",
                "overloaded_error",
                "engine_overloaded_error",
                "model_loading",
                "model_not_ready",
                "service_unavailable",
            }
        ),
        words=any_of(
            r"^loading model|model.{0,80}? (?:is|still|currently|being) (?:\w+ )?(?:loading|loaded now|warming up)\b",
            r"model.{0,80}? being loaded\b",
            r"(?:server|service|model|engine|system)[^.]{0,40}(?:overloaded|not ready|at capacity|starting up|is busy)",
            r"no (?:available|healthy|ready) (?:server|worker|instance|replica|upstream)|temporarily unavailable",
            r"degraded function|^model unloaded|capacity exceeded",
            r"\N{CJK UNIFIED IDEOGRAPH-8D1F}\N{CJK UNIFIED IDEOGRAPH-8F7D}\N{CJK UNIFIED IDEOGRAPH-5DF2}",
        ),
        examples=(
            Example("llama.cpp", 503, "Loading model", code="unavailable_error"),
            Example("Hugging Face", 503, "Model meta-llama/Llama-3.1-8B is currently loading"),
            Example("Gemini", 503, "The model is overloaded. Please try again later.", code="UNAVAILABLE"),
            Example("Anthropic", 529, "Overloaded", code="overloaded_error"),
            Example("nginx", 503, "503 Service Temporarily Unavailable"),
            Example("a model server", 500, "The model is still loading"),
            Example("OpenAI", 400, "Selected model is at capacity. Please try a different model."),
            Example("NVIDIA NIM", 400, "Bad Request; Function id '87ea': DEGRADED function cannot be invoked"),
        ),
    ),
    Fault(
        cause="wait",
        what="Rate limit reached",
        next="The call is retried until the agent's time limit. All calls wait for as long as the endpoint asks: "
        '`Retry-After`, Gemini\'s `retryDelay`, "try again in 27.4s".',
        alone_statuses=frozenset({429}),
        statuses=frozenset({400, 403, 500, 502}),
        names=frozenset({"throttlingexception", "too_many_requests", "rate_limit_exceeded", "rate_limit_error"}),
        words=any_of(r"\brate exceeded|throttl|too many requests|rate limit (?:exceeded|reached)|being rate limited"),
        examples=(
            Example("OpenAI", 429, "Rate limit reached for gpt-x on requests per min (RPM). Please try again in 6ms."),
            Example(
                "Gemini", 429, "You exceeded your current quota. Please retry in 0.05s.", code="RESOURCE_EXHAUSTED"
            ),
            Example("Groq", 429, "Rate limit reached on tokens per day (TPD): Limit 100000. Please try again in 0.1s."),
            Example("Azure OpenAI", 429, "exceeded token rate limit. Please retry after 0 seconds."),
            Example("LiteLLM", 429, "No deployments available for selected model, Try again in 0 seconds."),
            Example("Bedrock", 400, "Rate exceeded", code="ThrottlingException"),
            Example("Cloudflare", 403, "Error 1015: You are being rate limited"),
            Example("a proxy", 429, ""),
        ),
    ),
    Fault(
        cause="key",
        what="Access forbidden",
        next="Judging ends if no call has been answered yet. Otherwise only this agent fails, because a firewall or "
        "content filter may have rejected its texts without naming the reason.",
        statuses=frozenset({403}),
        examples=(
            Example("Azure OpenAI", 403, "Access denied due to Virtual Network/Firewall rules."),
            Example("Cloudflare", 403, "Attention Required! | Cloudflare"),
        ),
    ),
    Fault(
        cause="model",
        what="Model or path not found",
        next="Judging ends. If the endpoint has answered calls before, a 404 is retried once first, and a 405 or 410 "
        "fails only this agent.",
        statuses=frozenset({404, 405, 410}),
        examples=(
            Example("FastAPI", 404, "Not Found"),
            Example("nginx", 404, "404 page not found"),
            Example("a web page's server", 405, "Method Not Allowed"),
        ),
    ),
    Fault(
        cause="server",
        what="Model crashed",
        next="The call is retried like after a server error.",
        statuses=frozenset({400, 424}),
        words=any_of(r"\bhas crashed\b|process has terminated|encountered an unexpected error|try your request again"),
        examples=(
            Example("LM Studio", 400, "The model has crashed without additional information. (Exit code: 6)"),
            Example("Bedrock", 424, "The system encountered an unexpected error during processing."),
        ),
    ),
    Fault(
        cause="server",
        what="Server error",
        next="The call is retried after a pause, up to `AGENT_REPORT_JUDGE_MAX_ATTEMPTS` attempts in total; then the "
        "agent fails.",
        statuses=frozenset({408, 409, 425, *range(500, 600)}),
        examples=(
            Example("OpenAI", 500, "The server had an error while processing your request."),
            Example("OpenRouter", 502, "Provider returned error"),
            Example("nginx", 504, "504 Gateway Time-out"),
            Example("Cloudflare", 520, "Web server is returning an unknown error"),
            Example("a proxy", 500, ""),
        ),
    ),
    Fault(
        cause="call",
        what="Any other error",
        next="This agent fails, with the endpoint's error message; the other agents are still judged.",
        examples=(
            Example("TGI", 422, "Input validation error: `top_p` must be > 0.0 and < 1.0"),
            Example("Cloudflare", 400, "AiError: Bad input"),
            Example("a server", 418, "I'm a teapot"),
        ),
    ),
)
