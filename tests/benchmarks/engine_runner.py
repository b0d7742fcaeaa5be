"""The engine's side of the benchmark against mlx-lm-lora (the peer's side and the driver are in shared/bench).

usage: engine_runner.py WORKLOAD(.json or inline JSON) OUT.json [OPTIONS-JSON]

Options: the fields of `droid_tune.estimate.plan.MemoryPlan`, or {"budget_mb": 60} for a plan made from that budget, or
{"smallest": true}, the fastest plan near the least memory. `workload` and `make_model` are imported from
PYTHONPATH, from beside this file, or from shared/bench.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]
sys.path += [str(HERE), str(HERE.parents[2] / "shared" / "bench")]

import workload as W  # noqa: E402

w = W.load(sys.argv[1])
opts = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
import mlx.core as mx  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
import numpy as np  # noqa: E402
from make_model import make  # noqa: E402

from droid_tune.config.model_and_data import AdapterConfig  # noqa: E402
from droid_tune.config.sampling import SamplingConfig  # noqa: E402
from droid_tune.config.training_config import MemoryConfig  # noqa: E402
from droid_tune.estimate.job import StepJob  # noqa: E402
from droid_tune.machine.budget import budget_of  # noqa: E402
from droid_tune.machine.host import read_host  # noqa: E402
from droid_tune.model.footprint import footprint  # noqa: E402
from droid_tune.model.gradients.scoring import ScoringRows, loss_and_gradients, score  # noqa: E402
from droid_tune.model.loading import load_policy  # noqa: E402
from droid_tune.model.plan_for import best_plan, smallest_plan  # noqa: E402
from droid_tune.rollout.generate import generate  # noqa: E402

path = make(w)
np.random.seed(w["seed"])
mx.random.seed(w["seed"])


#: the smallest memory setting is the fastest plan whose estimate is within this much of the least there is
NEAR_SMALLEST = 1.4


class Engine:
    """Rollout and update by the engine's own functions; the loss is GRPO's as the workload fixes it."""

    def __init__(self, path: str, w: dict, opts: dict) -> None:
        self.w = w
        adapter = AdapterConfig(rank=w["lora_rank"], scale=w["lora_scale"], layers=w["lora_layers"])
        self.policy = load_policy(path, adapter, seed=w["seed"])
        self.policy.stop_tokens = frozenset({1 << 30})  # never sampled: every completion runs to full length
        self.sampling = SamplingConfig(
            max_completion_length=w["completion_len"],
            temperature=w["temperature"],
            top_p=w["top_p"],
            top_k=w["top_k"],
            min_p=w["min_p"],
        )
        self.optimizer = optim.Adam(learning_rate=w["lr"])
        longest = w["prompt_len"] if isinstance(w["prompt_len"], int) else max(w["prompt_len"])
        completion, rows = w["completion_len"], w["batch_size"] * w["group_size"]
        job = StepJob(
            True, w["batch_size"], w["group_size"], longest, completion, longest, completion, 1, rows
        )
        size = footprint(self.policy)
        budget = budget_of(MemoryConfig(budget_mb=opts.get("budget_mb")), read_host())
        if opts.get("smallest"):
            budget = int(NEAR_SMALLEST * smallest_plan(size, job, self.policy).estimated_bytes)
        self.plan = best_plan(size, job, budget, self.policy)
        self.plan = replace(
            self.plan, **{key: opts[key] for key in opts if key not in ("smallest", "budget_mb")}
        )
        self.step = 0

    def rollout(self, prompts):
        self.step += 1
        self.drawn = generate(
            self.policy,
            prompts,
            group_size=self.w["group_size"],
            sampling=self.sampling,
            seed=self.step,
            plan=self.plan,
        )
        return [row.tolist() for row in self.drawn.tokens], self.drawn.texts

    def update(self, prompts, completions, advantages):
        rows = ScoringRows.of_groups(
            prompts, self.w["group_size"], np.array(completions, np.int32), self.drawn.completion_mask
        )
        temperature, beta = self.w["temperature"], self.w["beta"]
        reference = None
        if beta:
            found = score(self.policy, rows, temperature=temperature, plan=self.plan, reference=True)
            reference = mx.array(found.logprobs)
        mask, advantage = mx.array(rows.completion_mask), mx.array(np.array(advantages, np.float32))

        def loss(row_index, logprobs, entropies):
            chosen = mx.array(row_index)
            m = mask[chosen]
            ratio = mx.exp(logprobs - mx.stop_gradient(logprobs))
            a = advantage[chosen][:, None]
            token = -mx.minimum(ratio * a, mx.clip(ratio, 0.8, 1.2) * a)
            if reference is not None:
                d = reference[chosen] - logprobs
                token = token + beta * (mx.exp(d) - d - 1)
            return ((token * m).sum(axis=1) / m.sum(axis=1)).sum() / len(rows), {}

        value, gradients, _ = loss_and_gradients(
            self.policy, rows, loss, temperature=temperature, plan=self.plan
        )
        self.optimizer.update(self.policy.model, gradients)
        mx.eval(self.policy.model.trainable_parameters(), self.optimizer.state)
        return value


eng = Engine(path, w, opts)
ps, rec, losses = W.prompts(w), W.Recorder(mx), []
G, b = w["group_size"], w["batch_size"]
for it in range(w["steps"] + w["warmup"]):
    rec.new_step()
    P = ps[it * b : (it + 1) * b]
    with rec.phase("gen"):
        ids, texts = eng.rollout(P)
    assert len(ids) == G * b
    assert all(len(x) == w["completion_len"] for x in ids)
    with rec.phase("reward"):
        r = np.array(W.reward([None] * len(texts), texts, None)).reshape(b, G)
        adv = ((r - r.mean(1, keepdims=True)) / (r.std(1, keepdims=True) + 1e-4)).reshape(-1)
    losses.append(eng.update(P, ids, adv.tolist()))
    rec.close_step()
extra = {
    "engine": "droid-tune",
    "opts": opts,
    "losses": losses,
    "workload": w,
    "steps": rec.steps,
    "plan": eng.plan.sentence,
}
summary = W.summary(w, rec.steps, extra)
Path(sys.argv[2]).write_text(json.dumps(summary), encoding="utf-8")
print({key: round(value, 3) for key, value in summary.items() if isinstance(value, float)}, eng.plan.sentence)
