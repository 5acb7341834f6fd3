"""The page of a run's trace: templates of one's own and the pages of known stores."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tasks.errors import ConfigurationError
from tasks.wire.trace_pages import TracePages, find_trace_pages


@pytest.mark.parametrize(
    ("trace_url", "expected"),
    [
        ("https://x.example/t/{trace_id}", "https://x.example/t/ab12"),
        ("https://x.example/{session_id}/{run_id}?t={trace_id}", "https://x.example/s%201/r%2F7?t=ab12"),
        ('HTTPS://x.example/a (b)"<c>/{run_id}', "https://x.example/a%20%28b%29%22%3Cc%3E/r%2F7"),
        ("https://x.example/%7Bkept%7D/{run_id}#frag", "https://x.example/%7Bkept%7D/r%2F7#frag"),
        ("https://me:pw@x.example:8/{trace_id}", "https://x.example:8/ab12"),
        ("jaeger+https://j.example/ui/", "https://j.example/ui/trace/ab12"),
        ("phoenix+http://localhost:6006", "http://localhost:6006/redirects/traces/ab12"),
        ("langfuse+https://cloud.langfuse.com/?a=1", "https://cloud.langfuse.com/trace/ab12"),
        (
            "mlflow+https://m.example/#/experiments/3/traces?x=1",
            "https://m.example/#/experiments/3/traces?selectedEvaluationId=tr-ab12",
        ),
        ("jaeger+https://me:pw@j.example", "https://j.example/trace/ab12"),
        ("off", ""),
        ("OFF", ""),
    ],
)
def test_the_setting_is_a_template_or_a_known_store(trace_url: str, expected: str) -> None:
    pages = find_trace_pages(trace_url, source_url="phoenix+http://other:6006", jaeger_ui_url="https://other")
    assert pages.url("ab12", "r/7", "s 1") == expected


def test_grafana_opens_the_trace_in_its_data_source() -> None:
    for address, source in (("https://g.example/sub/", "tempo"), ("https://g.example/sub?datasource=u%201", "u 1")):
        split = urlsplit(find_trace_pages(f"grafana+{address}").url("ab12"))
        assert (split.netloc, split.path) == ("g.example", "/sub/explore")
        panes = json.loads(parse_qs(split.query)["panes"][0])
        assert panes == {
            "trace": {
                "datasource": source,
                "queries": [
                    {
                        "refId": "A",
                        "datasource": {"type": "tempo", "uid": source},
                        "queryType": "traceql",
                        "query": "ab12",
                    }
                ],
            }
        }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ""),
        (
            {"jaeger_ui_url": "https://ui.example/ui/", "source_url": "phoenix+http://p"},
            "https://ui.example/ui/trace/ab12",
        ),
        ({"source_url": "phoenix+http://key:pw@p:6006"}, "http://p:6006/redirects/traces/ab12"),
        ({"source_url": "jaeger+http://j:16686", "jaeger_url": "http://other"}, "http://j:16686/trace/ab12"),
        ({"source_url": "langfuse+https://pk:sk@l.example"}, "https://l.example/trace/ab12"),
        ({"source_url": "tempo+http://t:3200"}, ""),
        ({"source_url": "mlflow+http://m:5000"}, ""),
        ({"source_url": "sqlite:///x.db", "jaeger_url": "http://j:16686/"}, "http://j:16686/trace/ab12"),
        ({"jaeger_ui_url": "javascript:alert(1)"}, ""),
        ({"jaeger_ui_url": "https://me:p@w/x@j.example"}, ""),
    ],
)
def test_without_it_the_page_is_that_of_the_store(settings: dict[str, str], expected: str) -> None:
    assert find_trace_pages(**settings).url("ab12", "7") == expected


def test_an_id_that_is_needed_and_not_known_gives_no_page() -> None:
    pages = find_trace_pages("https://x.example/{trace_id}/{session_id}")
    assert pages.url("ab", "7", None) == pages.url(None, "7", "s") == pages.url("", "7", "s") == ""
    assert find_trace_pages("https://x.example/{run_id}").url(None, "7") == "https://x.example/7"
    assert TracePages().url("ab", "7", "s") == ""


def test_an_id_cannot_leave_its_place() -> None:
    pages = find_trace_pages("https://x.example/{trace_id}/{run_id}")
    assert pages.url("a)b/c", "{trace_id}\n<>") == "https://x.example/a%29b%2Fc/%7Btrace_id%7D%0A%3C%3E"


@pytest.mark.parametrize(
    ("trace_url", "why"),
    [
        ("https://x.example/{traceid}", "there is no {traceid}"),
        ("https://x.example/", "the same page"),
        ("jager+https://x.example", "did you mean jaeger?"),
        ("zipkin+https://x.example", "known are jaeger, grafana"),
        ("javascript:alert({trace_id})", "does not begin with http"),
        ("mlflow+https://m.example", "#/experiments/1"),
        ("https://me:p@w/x@h.example/{trace_id}", "more than one way"),
    ],
)
def test_what_is_no_page_is_refused(trace_url: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        find_trace_pages(trace_url)
    assert why in str(refused.value)
    assert "p@w" not in str(refused.value)
