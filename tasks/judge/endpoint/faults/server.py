"""Rows of the table for what its status explains, when nothing else does."""

from __future__ import annotations

from tasks.judge.endpoint.faults.fault import Example, Fault, said

SERVER_FAULTS: tuple[Fault, ...] = (
    Fault(
        cause="loading",
        what="The server is not ready, or overloaded",
        next="Tried again until the agent's time is up, after pauses that double up to 20 s, or that it asks for.",
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
        words=said(
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
        what="Too many requests or tokens for now",
        next="Tried again until the agent's time is up. Every call waits for as long as the endpoint asks: "
        '`Retry-After`, Gemini\'s `retryDelay`, "try again in 27.4s".',
        alone_statuses=frozenset({429}),
        statuses=frozenset({400, 403, 500, 502}),
        names=frozenset({"throttlingexception", "too_many_requests", "rate_limit_exceeded", "rate_limit_error"}),
        words=said(r"\brate exceeded|throttl|too many requests|rate limit (?:exceeded|reached)|being rate limited"),
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
        what="Access is forbidden",
        next="Judging ends while no call was answered; afterwards only this agent fails, as a firewall or a moderation "
        "that does not name itself may have refused its texts.",
        statuses=frozenset({403}),
        examples=(
            Example("Azure OpenAI", 403, "Access denied due to Virtual Network/Firewall rules."),
            Example("Cloudflare", 403, "Attention Required! | Cloudflare"),
        ),
    ),
    Fault(
        cause="model",
        what="Neither model nor path is there",
        next="Judging ends; after good answers, it is tried once more first.",
        statuses=frozenset({404, 405, 410}),
        examples=(
            Example("FastAPI", 404, "Not Found"),
            Example("nginx", 404, "404 page not found"),
            Example("a web page's server", 405, "Method Not Allowed"),
        ),
    ),
    Fault(
        cause="server",
        what="The model crashed",
        next="As below.",
        statuses=frozenset({400, 424}),
        words=said(r"\bhas crashed\b|process has terminated|encountered an unexpected error|try your request again"),
        examples=(
            Example("LM Studio", 400, "The model has crashed without additional information. (Exit code: 6)"),
            Example("Bedrock", 424, "The system encountered an unexpected error during processing."),
        ),
    ),
    Fault(
        cause="server",
        what="The server failed",
        next="Tried again after a pause, `AGENT_REPORT_JUDGE_MAX_ATTEMPTS` times in all; then the agent fails.",
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
        what="Anything else",
        next="This agent fails, with the endpoint's words; the others are asked.",
        examples=(
            Example("TGI", 422, "Input validation error: `top_p` must be > 0.0 and < 1.0"),
            Example("Cloudflare", 400, "AiError: Bad input"),
            Example("a server", 418, "I'm a teapot"),
        ),
    ),
)
