"""Where a person's browser finds the trace of a run: a template of one's own, or the page of a known store."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from tasks.errors import ConfigurationError
from tasks.wire.urls import refuse_ambiguous, without_user

_OFF = "off"
_NAMES = ("trace_id", "run_id", "session_id")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# What URLs are made of, without what ends one in Markdown or HTML; a % begins what is encoded.
_OF_URLS = "%/:=&?~#+!$,;'@[]*"
_GRAFANA_SOURCE = "tempo"


@dataclass(frozen=True, slots=True)
class TracePages:
    """The page of each run's trace by a URL ``template`` with ``{trace_id}``, ``{run_id}``, ``{session_id}``.

    Without a template there are no pages.
    """

    template: str = ""

    def url(self, trace_id: str | None, run_id: str | None = None, session_id: str | None = None) -> str:
        """The page of a run; "" where there is none, or an id that its URL needs is not known."""
        known = dict(zip(_NAMES, (trace_id, run_id, session_id), strict=True))
        needed = _PLACEHOLDER.findall(self.template)
        if not self.template or not all(known.get(name) for name in needed):
            return ""
        # In two steps: an id may hold what looks like a placeholder.
        parts = re.split(r"\{(\w+)\}", self.template)
        return "".join(
            quote(known[part] or "", safe="") if at % 2 else quote(part, safe=_OF_URLS) for at, part in enumerate(parts)
        )


NO_PAGES = TracePages()


def find_trace_pages(
    trace_url: str = "", *, jaeger_ui_url: str = "", source_url: str = "", jaeger_url: str = ""
) -> TracePages:
    """The pages that the settings name, without credentials: reports are passed around.

    ``trace_url`` is a template, the address of a known store (``phoenix+https://phoenix.example.com``) or ``off``.
    Where it is empty, the pages are those of Jaeger's UI at ``jaeger_ui_url``, else of the store at ``source_url``,
    else of Jaeger at ``jaeger_url``; there are none where that is no store with a page of its own.

    Raises:
        ConfigurationError: ``trace_url`` is none of these; the message explains why, without its credentials.
    """
    if trace_url.lower() == _OFF:
        return TracePages()
    if trace_url:
        return TracePages(_own_template(trace_url))
    if jaeger_ui_url:
        return TracePages(_of_store("jaeger", jaeger_ui_url))
    kind, _, address = source_url.partition("+")
    if kind.lower() in ("jaeger", "langfuse", "phoenix") and _is_web(address):
        return TracePages(_of_store(kind.lower(), address))
    return TracePages(_of_store("jaeger", jaeger_url))


def _own_template(trace_url: str) -> str:
    kind, _, address = trace_url.partition("+")
    if not _is_web(trace_url) and _is_web(address):
        if kind.lower() not in _STORES:
            near = difflib.get_close_matches(kind.lower(), _STORES, n=1)
            known = f"did you mean {near[0]}?" if near else "known are " + ", ".join(_STORES)
            raise ConfigurationError(f"{kind[:40]}+ is no store with a page for a trace: {known}")
        return _of_store(kind.lower(), address)
    if not _is_web(trace_url):
        raise ConfigurationError(
            "it does not begin with http:// or https://: write a template such as "
            "https://traces.example.com/{trace_id}, a known store such as jaeger+https://jaeger.example.com, or off"
        )
    found = _PLACEHOLDER.findall(trace_url)
    if wrong := [name for name in found if name not in _NAMES]:
        raise ConfigurationError(f"there is no {{{wrong[0][:40]}}}: write {{trace_id}}, {{run_id}} or {{session_id}}")
    if not found:
        raise ConfigurationError(
            "without {trace_id}, {run_id} or {session_id} every run would have the same page; of a known store, "
            f" write the name before its URL: {', '.join(f'{name}+https://…' for name in _STORES)}"
        )
    refuse_ambiguous(trace_url.partition("#")[0], "it")
    return _without_user(trace_url)


def _of_store(kind: str, address: str) -> str:
    """The template of a store's pages; "" where ``address`` is not on the web or not whole."""
    if not _is_web(address) or not (address := _without_user(address)):
        return ""
    return _STORES[kind](address)


def _without_user(url: str) -> str:
    # A browser asks its reader for the password.
    begin, mark, fragment = url.partition("#")
    return without_user(begin) + mark + fragment if without_user(begin) else ""


def _jaeger(address: str) -> str:
    return f"{_base(address)}/trace/{{trace_id}}"


def _phoenix(address: str) -> str:
    return f"{_base(address)}/redirects/traces/{{trace_id}}"


def _langfuse(address: str) -> str:
    return f"{_base(address)}/trace/{{trace_id}}"


def _mlflow(address: str) -> str:
    """The traces of the experiment whose page ``address`` is."""
    if "/experiments/" not in address:
        raise ConfigurationError(
            "MLflow shows traces by experiment: write the address of the experiment's page, "
            "mlflow+https://mlflow.example.com/#/experiments/1"
        )
    page = address.partition("/traces")[0].rstrip("/")
    return f"{page}/traces?selectedEvaluationId=tr-{{trace_id}}"


def _grafana(address: str) -> str:
    """A trace in Grafana's Explore; ``?datasource=`` names the uid of the data source, which is Tempo."""
    source = dict(parse_qsl(urlsplit(address).query)).get("datasource", _GRAFANA_SOURCE)
    query = {
        "refId": "A",
        "datasource": {"type": "tempo", "uid": source},
        "queryType": "traceql",
        "query": "{trace_id}",
    }
    panes = json.dumps({"trace": {"datasource": source, "queries": [query]}}, separators=(",", ":"))
    encoded = quote(panes, safe="").replace(quote("{trace_id}"), "{trace_id}")
    return f"{_base(address)}/explore?schemaVersion=1&orgId=1&panes={encoded}"


_STORES: Mapping[str, Callable[[str], str]] = {
    "jaeger": _jaeger,
    "grafana": _grafana,
    "phoenix": _phoenix,
    "langfuse": _langfuse,
    "mlflow": _mlflow,
}


def _base(address: str) -> str:
    scheme, host, path, *_ = urlsplit(address)
    return urlunsplit((scheme, host, path.rstrip("/"), "", ""))


def _is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
