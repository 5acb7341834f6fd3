"""The digest of evidence: what is shown of it, or decides what is shown, makes another question."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Evidence, Run
from tasks.judge.digest import digest_evidence

MakeRun = Callable[..., Run]
MakeEvidence = Callable[..., Evidence]


@pytest.mark.parametrize("text", ["Done.", "Done. \ud800"])
def test_ids_make_digests_of_their_own(make_run: MakeRun, text: str) -> None:
    def digest(agent_id: str, *ids: str) -> str:
        runs = tuple(make_run(1, final_response=text).model_copy(update={"id": run_id}) for run_id in ids)
        agent = Agent(id=agent_id, name="a", environment="p")
        return digest_evidence(build_evidence(agent, AgentRuns(runs=runs), (), RunPrices()))

    given = [("1", "1", "2"), ("1", "1", "02"), ("1", "1", "x"), ("x", "1", "2"), ("X", "1", "2")]
    assert len({digest(*ids) for ids in given}) == len(given)


def test_an_unfinished_run_asks_no_other_question(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    finished = make_evidence([make_run(1)])
    both = finished.model_copy(update={"runs": (*finished.runs, make_run(2, status="running"))})
    assert digest_evidence(both) == digest_evidence(finished)
