"""Rows of the table that concern the account, the model or what stands in one prompt: no other request helps."""

from __future__ import annotations

from tasks.judge.endpoint.faults.fault import Example, Fault, said

_REFUSING = frozenset({400, 401, 402, 403, 404, 409, 412, 422, 429, 500, 502, 503})

ACCOUNT_FAULTS: tuple[Fault, ...] = (
    Fault(
        cause="redirect",
        what="Redirect to another address",
        next="Judging ends. Redirects are not followed, so that prompts go only to the endpoint you configured. Set "
        "`OPENAI_BASE_URL` to the final address.",
        alone_statuses=frozenset(range(300, 400)),
        examples=(
            Example("any server behind http", 301, "Moved Permanently"),
            Example("a login page", 302, "Found"),
        ),
    ),
    Fault(
        cause="moderation",
        what="Prompt blocked by moderation or a content filter",
        next="Only this agent fails, even if this was the first call of the report; the other agents are still judged.",
        statuses=frozenset({400, 403, 404, 406, 421, 422, 451, 500}),
        alone_statuses=frozenset({451}),
        names=frozenset(
            {
                "flagged_input",
                "reasons",
                "filtered",
                "content_filter",
                "content_policy",
                "content_policy_violation",
                "contentpolicyviolationerror",
                "responsibleaipolicyviolation",
                "moderation_blocked",
                "data_inspection_failed",
                "datainspectionfailed",
                "inputtextsensitivecontentdetected",
                "sensitivecontentdetected",
                "prohibited_content",
                "invalid_prompt",
                "content_moderation",
                "1026",
                "1027",
                "1301",
            }
        ),
        words=said(
            r"moderation|moderated|\bflagged\b|content[-_ ]?(?:management[-_ ])?(?:policy|filter)",
            r"usage (?:polic|guideline)|safety_check",
            r"guardrails?[^.]{0,30} (?:intervened|blocked)|blocked by[^.]{0,40}guardrail",
            r"safety (?:system|filter|setting|polic|reason|check)|prohibited_content",
            r"(?:blocked|rejected|refused|filtered)[^.]{0,40}(?:safety|harmful|inappropriate|unsafe)",
            r"(?:harmful|inappropriate|unsafe|sensitive|prohibited|disallowed)[^.]{0,20} content|content exists risk",
            r"new_sensitive|data_?inspection_?failed|responsible_?ai",
            r"\N{CJK UNIFIED IDEOGRAPH-654F}\N{CJK UNIFIED IDEOGRAPH-611F}",
        ),
        examples=(
            Example(
                "Azure OpenAI",
                400,
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                code="content_filter",
                param="prompt",
            ),
            Example("OpenRouter", 403, 'm requires moderation on Together. Your input was flagged for "violence".'),
            Example(
                "OpenAI",
                400,
                "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
                code="invalid_prompt",
            ),
            Example("DeepSeek", 400, "Content Exists Risk", code="invalid_request_error"),
            Example(
                "DashScope",
                400,
                "Input data may contain inappropriate content.",
                code="data_inspection_failed",
            ),
            Example(
                "Volcengine Ark",
                400,
                "The request failed because the input text may contain sensitive information.",
                code="InputTextSensitiveContentDetected",
            ),
            Example("MiniMax", 422, "input new_sensitive (1026)"),
        ),
    ),
    Fault(
        cause="quota",
        what="Quota, credit or budget exhausted",
        next="Judging ends immediately, because no other call can succeed; the remaining agents are `not_started`.",
        alone_statuses=frozenset({402}),
        statuses=_REFUSING,
        names=frozenset(
            {
                "insufficient_quota",
                "billing_hard_limit_reached",
                "billing_not_active",
                "billing_error",
                "access_terminated",
                "exceeded_current_quota_error",
                "budget_exceeded",
                "free_quota_exceeded",
                "insufficient_balance",
                "insufficient_balance_error",
                "insufficient_credits",
                "payment_required",
                "arrearage",
                "accountoverdueerror",
                "setlimitexceeded",
                "allocationquota.freetieronly",
                "1008",
                "1113",
                "30001",
            }
        ),
        words=said(
            r"credit balance is too low",
            r"(?:insufficient|not enough|negative|low) (?:account |remaining |available )?(?:balance|credit|fund)",
            r"(?:out of|no more|no remaining|used all(?: available)?|purchase|requires more|buy more) credits?\b",
            r"credits? (?:limit|are|is|has|have)[^.]{0,30}(?:exceeded|exhausted|depleted|used up)",
            r"exceeded your (?:monthly|daily|included|prepaid)[^.]{0,40}(?:credit|quota|limit)",
            r"budget has been exceeded|exceeded ?budget|crossed budget|over budget",
            r"(?:spending|spend|billing|usage|credit|key)(?: hard)? limits?[^.]{0,40}(?:reached|exceeded|hit)",
            r"(?:reached|exceeded|exceeding|hit)[^.]{0,40}(?:spending|billing|usage|credit) limits?",
            r"good standing|overdue|past due|arrears|payment required|billing is not active",
            r"suspended[^.]{0,80}(?:billing|balance|payment|invoice|spending)",
            r"free (?:tier|quota|allocation)[^.]{0,60}(?:exhausted|used up|exceeded)|used up your (?:daily|free)",
            r"\N{CJK UNIFIED IDEOGRAPH-4F59}\N{CJK UNIFIED IDEOGRAPH-989D}\N{CJK UNIFIED IDEOGRAPH-4E0D}"
            r"\N{CJK UNIFIED IDEOGRAPH-8DB3}|\N{CJK UNIFIED IDEOGRAPH-6B20}\N{CJK UNIFIED IDEOGRAPH-8D39}",
        ),
        examples=(
            Example(
                "OpenAI",
                429,
                "You exceeded your current quota, please check your plan and billing details.",
                code="insufficient_quota",
            ),
            Example(
                "Anthropic",
                400,
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade "
                "or purchase credits.",
                code="invalid_request_error",
            ),
            Example("DeepSeek", 402, "Insufficient Balance"),
            Example(
                "LiteLLM",
                400,
                "Budget has been exceeded! Current cost: 26.075, Max budget: 0.25",
                code="budget_exceeded",
            ),
            Example("LiteLLM", 429, "ExceededBudget: End User=ishaan3 over budget. Spend=0.0008, Budget=0.0001"),
            Example(
                "DashScope",
                400,
                "Access denied, please make sure your account is in good standing.",
                code="Arrearage",
            ),
            Example("Volcengine Ark", 403, "Access denied due to overdue account", code="AccountOverdueError"),
            Example("MiniMax", 500, "insufficient balance (1008)"),
            Example(
                "xAI",
                403,
                "Your team has either used all available credits or reached its monthly spending limit.",
            ),
            Example("Fireworks", 412, "Account suspended, due to exceeding monthly spending limit or unpaid invoices"),
            Example(
                "OpenRouter",
                402,
                "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can "
                "only afford 61586.",
            ),
        ),
    ),
    Fault(
        cause="quota",
        what="Daily, weekly or monthly limit reached",
        next="Judging ends immediately, as above. If the error states when to retry a daily limit, the call is "
        "retried then, provided that the agent's time allows it.",
        statuses=frozenset({403, 429}),
        per_day=True,
        examples=(
            Example("OpenRouter", 429, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock more."),
            Example("Cerebras", 429, "Tokens per day limit exceeded - too many tokens processed."),
            Example("Cohere", 429, "You are using a Trial key, which is limited to 1000 API calls / month."),
        ),
    ),
    Fault(
        cause="key",
        what="Invalid API key",
        next="Judging ends. If the endpoint has answered calls before, a 401 is retried once first, and any other "
        "status fails only this agent.",
        statuses=frozenset({400, 401, 403, 404, 500}),
        alone_statuses=frozenset({401}),
        names=frozenset(
            {
                "invalid_api_key",
                "invalidapikey",
                "api_key_invalid",
                "api_key_expired",
                "incorrect_api_key",
                "authentication_error",
                "authenticationerror",
                "invalid_authentication_error",
                "unauthenticated",
                "unauthorized",
                "unrecognizedclientexception",
                "token_expired",
                "1004",
                "2049",
            }
        ),
        words=said(
            r"(?:incorrect|invalid|wrong|expired|missing|no) (?:api|access|subscription)[-_ ]?(?:key|token)",
            r"api[-_ ]?key[^.]{0,30}(?:not valid|invalid|expired|missing|not found|required|incorrect|revoked)",
            r"invalid authentication|authentication (?:fails|failed|required)|no auth credentials",
            r"(?:key|credential|access token)s? (?:has|have|is|are) (?:been )?(?:expired|revoked)",
            r"(?:location|country|region|territory)[^.]{0,40} not supported|organization must be verified",
        ),
        examples=(
            Example("OpenAI", 401, "Incorrect API key provided: sk-***.", code="invalid_api_key"),
            Example("Gemini", 400, "API key not valid. Please pass a valid API key.", code="INVALID_ARGUMENT"),
            Example("xAI", 400, "Incorrect API key provided: xa***. You can obtain an API key from the console."),
            Example("Azure OpenAI", 401, "Access denied due to invalid subscription key or wrong API endpoint."),
            Example("OpenRouter", 401, "No auth credentials found"),
            Example("OpenAI", 403, "Country, region, or territory not supported"),
            Example("Gemini", 400, "User location is not supported for the API use."),
            Example("vLLM", 401, "Unauthorized"),
        ),
    ),
    Fault(
        cause="model",
        what="Unknown model",
        next="Judging ends, and the message names `AGENT_REPORT_JUDGE_MODEL` and `OPENAI_BASE_URL`. If the endpoint "
        "has answered calls before, a 404 is retried once first, and any other status fails only this agent.",
        statuses=frozenset({400, 403, 404, 410, 422, 500}),
        names=frozenset(
            {
                "model_not_found",
                "model_not_available",
                "model_decommissioned",
                "model_not_supported",
                "model_terms_required",
                "model_not_exist",
                "modelnotfound",
                "modelnotopen",
                "deploymentnotfound",
                "invalid_model",
                "unknown_model",
                "invalidendpointormodel.notfound",
                "1211",
                "20012",
            }
        ),
        words=said(
            r"model.{0,120}?(?:does not exist|doesn't exist|not exist\b|not found|is unknown|decommissioned)",
            r"model.{0,120}?(?:has been (?:deprecated|retired|removed)|not supported by any provider)",
            r"(?:unknown|no such|nonexistent|invalid) model(?! (?:output|response|answer))\b",
            r"not a valid model|model identifier is invalid|no models? (?:is |are )?(?:currently )?loaded",
            r"no endpoints found for (?!.{0,120}? that )|access to (?:the )?model|unable to access [^.]{0,40}model",
            r"not (?:valid|supported|available) for chat|not a chat model",
            r"\N{CJK UNIFIED IDEOGRAPH-6A21}\N{CJK UNIFIED IDEOGRAPH-578B}\N{CJK UNIFIED IDEOGRAPH-4E0D}"
            r"\N{CJK UNIFIED IDEOGRAPH-5B58}\N{CJK UNIFIED IDEOGRAPH-5728}",
        ),
        examples=(
            Example(
                "OpenAI",
                404,
                "The model `gpt-9` does not exist or you do not have access to it.",
                code="model_not_found",
            ),
            Example("DeepSeek", 400, "Model Not Exist", code="invalid_request_error"),
            Example("OpenRouter", 400, "deepseek/deepseek-coder is not a valid model ID"),
            Example("OpenRouter", 404, "No endpoints found for nousresearch/hermes-3-llama-3.1-405b:free."),
            Example("LiteLLM", 400, "Invalid model name passed in model=gpt-9. Call `/v1/models` to view models."),
            Example("Bedrock", 400, "The provided model identifier is invalid."),
            Example("Ollama", 404, 'model "llama9" not found, try pulling it first', code="api_error"),
            Example("Mistral", 400, "Invalid model: mistral-huge", code="1500"),
            Example("LM Studio", 400, "No models loaded. Please load a model in the developer page."),
            Example(
                "Groq",
                400,
                "The model `mixtral-8x7b-32768` has been decommissioned and is no longer supported.",
                code="model_decommissioned",
            ),
        ),
    ),
)
