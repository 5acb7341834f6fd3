"""Tells the story ``STORY_RUNS`` times by one framework under one instrumentation, exporting spans to every store.

``python tell.py FRAMEWORK INSTRUMENTATION``, in an environment that has both. Where to goes by the environment:
``STORY_ENDPOINT`` (the scripted LLM) and ``STORY_EXPORTS`` (JSON: a list of ``[OTLP traces URL, headers]``).
"""

from __future__ import annotations

import json
import os
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from scripted import MODEL, TASK

_AGENT = "travel-desk"
_INSTRUCTIONS = "You plan trips with the tools that you have."


def get_weather(city: str) -> str:
    """The weather.

    Args:
        city: Where.
    """
    return f"Sunny in {city}"


def get_time(city: str) -> str:
    """The local time.

    Args:
        city: Where.
    """
    return f"10:00 in {city}"


def book(hotel: str) -> str:
    """Books a room.

    Args:
        hotel: Which.
    """
    if hotel == "Savoy":
        raise RuntimeError("no rooms left at the Savoy")
    return f"Booked at the {hotel}"


_TOOLS = (get_weather, get_time, book)


def openai_agents() -> None:
    from agents import Agent, Runner, function_tool

    agent = Agent(name=_AGENT, instructions=_INSTRUCTIONS, model=MODEL, tools=[function_tool(tool) for tool in _TOOLS])
    Runner.run_sync(agent, TASK)


def pydantic_ai() -> None:
    from pydantic_ai import Agent, ModelRetry
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(
        OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=os.environ["OPENAI_BASE_URL"], api_key="none")),
        name=_AGENT,
        instructions=_INSTRUCTIONS,
        retries=3,
    )
    agent.tool_plain(get_weather)
    agent.tool_plain(get_time)

    @agent.tool_plain(name="book")
    def retried(hotel: str) -> str:
        """Books a room."""
        try:
            return book(hotel)
        except RuntimeError as error:
            raise ModelRetry(str(error)) from error

    agent.run_sync(TASK)


def langgraph() -> None:
    from langchain.agents import create_agent
    from langchain_core.tools import StructuredTool, ToolException
    from langchain_openai import ChatOpenAI

    def book_or_say_why(hotel: str) -> str:
        """Books a room."""
        try:
            return book(hotel)
        except RuntimeError as error:
            raise ToolException(str(error)) from error

    # The tool's span is fine then; the message that it returns says that it failed.
    handled = StructuredTool.from_function(book_or_say_why, name="book", handle_tool_error=True)
    tools = [get_weather, get_time, handled]
    agent = create_agent(ChatOpenAI(model=MODEL), tools=tools, system_prompt=_INSTRUCTIONS, name=_AGENT)
    agent.invoke({"messages": [{"role": "user", "content": TASK}]})


def smolagents() -> None:
    from smolagents import OpenAIServerModel, ToolCallingAgent, tool

    model = OpenAIServerModel(MODEL, api_base=os.environ["OPENAI_BASE_URL"], api_key="none")
    ToolCallingAgent([tool(each) for each in _TOOLS], model=model, name="travel_desk", description="Plans trips.").run(
        TASK
    )


_FRAMEWORKS = {
    "openai-agents": openai_agents,
    "pydantic-ai": pydantic_ai,
    "langgraph": langgraph,
    "smolagents": smolagents,
}


def instrument(framework: str, by: str, provider: TracerProvider) -> None:
    if framework == "openai-agents":
        from agents import set_trace_processors

        # The SDK's own goes to OpenAI.
        set_trace_processors([])
    if by == "openinference" and framework == "langgraph":
        from openinference.instrumentation.langchain import LangChainInstrumentor

        LangChainInstrumentor().instrument(tracer_provider=provider)
    elif by == "openinference" and framework == "smolagents":
        from openinference.instrumentation.smolagents import SmolagentsInstrumentor

        SmolagentsInstrumentor().instrument(tracer_provider=provider)
    elif by == "openinference" and framework == "openai-agents":
        from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor as ByOpenInference

        ByOpenInference().instrument(tracer_provider=provider)
    elif by == "genai" and framework == "pydantic-ai":
        from pydantic_ai import Agent, InstrumentationSettings

        Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    elif framework == "openai-agents":
        # OpenTelemetry's and Traceloop's stand in the same module, each in an environment of its own.
        from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor

        OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
    elif by == "traceloop" and framework == "langgraph":
        from opentelemetry.instrumentation.langchain import LangchainInstrumentor

        LangchainInstrumentor().instrument(tracer_provider=provider)
    else:
        raise SystemExit(f"no instrumentation {by} of {framework}")


def main() -> None:
    framework, by = sys.argv[1:]
    name = f"{framework}-{by}"
    os.environ |= {
        "OPENAI_BASE_URL": f"{os.environ['STORY_ENDPOINT']}/{name}/v1",
        "OPENAI_API_KEY": "none",
        # Off by default in OpenTelemetry's own instrumentations.
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "TRACELOOP_METRICS_ENABLED": "false",
    }
    provider = TracerProvider(resource=Resource({"service.name": name, "openinference.project.name": name}))
    for url, headers in json.loads(os.environ["STORY_EXPORTS"]):
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=url, headers=headers)))
    trace.set_tracer_provider(provider)
    instrument(framework, by, provider)
    for _ in range(int(os.environ["STORY_RUNS"])):
        _FRAMEWORKS[framework]()
    provider.force_flush()
    provider.shutdown()


if __name__ == "__main__":
    main()
