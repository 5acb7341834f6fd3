"""What is known of judges in general, for reports whose own judge was never compared with people."""

BENCHMARK_FINDING = "by public benchmarks, about three of ten verdicts “success” on agents' trajectories are wrong"
"""It holds for LLM judges on runs of agents in general, where no person's label corrects them."""
