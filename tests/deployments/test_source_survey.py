"""Which environment the first report is on."""

from __future__ import annotations

import pytest

from deployments.source_survey import choose_environment
from tasks.sources.source import SourceCounts


@pytest.mark.parametrize(
    ("names", "runs", "chosen"),
    [
        (["default", "Production"], {"default": 9, "Production": 1}, "Production"),
        (["dev", "prod"], {"dev": 9}, "prod"),
        (["airline", "default", "retail"], {"airline": 3, "default": 1, "retail": 7}, "retail"),
        (["a", "b"], {"a": 2, "b": 2}, "a"),
        (["a", "b"], {}, "a"),
        ([], {}, ""),
    ],
)
def test_production_else_the_most_runs_else_the_first(names: list[str], runs: dict[str, int], chosen: str) -> None:
    assert choose_environment(names, SourceCounts({}, runs, is_whole=True)) == chosen


def test_without_figures_it_is_the_first() -> None:
    assert choose_environment(["a", "default"], None) == "a"
