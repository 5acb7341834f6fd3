"""The command ``agent-report judge``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from deployments.terminal.option_help import Flag, option


def judge(
    run_id: str,
    /,
    *,
    environment: Annotated[str, Parameter(show_default=False)],
    agent: str | None = None,
    criteria: str | None = None,
    judge_model: Annotated[str | None, option("judge_model")] = None,
    judge_samples: Annotated[int | None, option("judge_samples")] = None,
    fresh: Flag = False,
    json: Flag = False,
) -> int:
    """Judge one run by itself.

    Parameters
    ----------
    run_id
        Id of the run in the source.
    environment
        Environment of the run.
    agent
        Agent of the run, by name or id (id:12): faster if the environment has many agents, required if several agents
        have a run with this id.
    criteria
        YAML file with the keys team, default and agents, or a preset's name.
    judge_model
        Judge model, by the name that the endpoint uses.
    judge_samples
        Number of times to ask; the verdict is what most answers agree on.
    fresh
        Pay for a new answer even if the same question was answered before.
    json
        Show as JSON.
    """
    from deployments.commands.judging.single import run_judge
    from deployments.commands.reports import read_options
    from deployments.stack.beside import stack_warehouse
    from tasks.judge.rubric import Criteria, open_criteria

    options = read_options(judge_model=judge_model, judge_samples=judge_samples, fresh=fresh or None)
    wanted = Criteria() if criteria is None else open_criteria(criteria)
    with stack_warehouse():
        return run_judge(run_id, environment, agent, wanted, options, as_json=json)
