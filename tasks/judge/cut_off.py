"""What a reply's counts show about limits that no one stated: a prompt that was cut, an answer that ran out of room."""

from __future__ import annotations

from tasks.judge.endpoint.reply import Reply
from tasks.judge.parsing.reasoning import answer_part

# No tokenizer has so few tokens for a text that is no mere repetition; servers that cut leave less, as a rule.
_LEAST_SHARE = 0.5
_SHORTEST_PROMPT = 1500
# An answer that ends before its limit was ended by the context, when both together are a size that contexts have.
_ENDED_EARLY = 0.9
_CONTEXT_UNIT = 256
_REASONING_SHARE = 0.8


def was_prompt_cut(reply: Reply, estimated_tokens: float) -> bool:
    """Whether the endpoint counted far fewer tokens than the prompt has: Ollama cuts what its context does not hold."""
    read = reply.read_tokens
    return bool(read) and estimated_tokens >= _SHORTEST_PROMPT and (read or 0) < _LEAST_SHARE * estimated_tokens


def describe_cut_prompt(reply: Reply, estimated_tokens: float) -> str:
    """The warning about it, and what to set."""
    return (
        f"the endpoint read {reply.read_tokens:,} tokens of a prompt of about {estimated_tokens:,.0f}: it cut the "
        "prompt, and the judge did not see all of the evidence; give the model a larger context (Ollama: num_ctx, "
        "OLLAMA_CONTEXT_LENGTH), or set AGENT_REPORT_JUDGE_CONTEXT_TOKENS to the one that it has"
    )


def ended_by_context(reply: Reply, output_tokens: int) -> int | None:
    """The context that ended the answer before ``output_tokens`` were reached; None when it was not the context.

    Some servers end an answer without a word when prompt and answer fill the context.
    """
    prompt, made = reply.prompt_tokens, reply.completion_tokens
    if reply.finish_reason != "length" or prompt is None or made is None or made >= _ENDED_EARLY * output_tokens:
        return None
    context = prompt + made
    # One less or more: some count a token at the start. A round count of the answer alone is a cap on answers.
    is_round = (context + 1) % _CONTEXT_UNIT <= 2
    return context if is_round and (made == 0 or made % _CONTEXT_UNIT) else None


def is_spent_on_reasoning(reply: Reply) -> bool:
    """Whether the answer was cut off at its limit and reasoning took all of it, or nearly all."""
    if reply.finish_reason != "length" or reply.completion_tokens == 0:
        return False
    reasoned, made = reply.reasoning_tokens, reply.completion_tokens
    most = reasoned is not None and made is not None and reasoned >= _REASONING_SHARE * made
    return most or reply.only_reasoned or not answer_part(reply.text).strip()
