"""Which charts a run has, in sections: what it learns first, then its rewards, the policy, the machine."""

from __future__ import annotations

from droid_tune.config.recipes.methods import METHOD_CONFIGS
from ui.widgets.chart import ChartSpec, Line

Sections = dict[str, tuple[ChartSpec, ...]]
SECTION_TITLES = {"learning": "Learning", "rewards": "Rewards", "policy": "Policy", "machine": "Machine"}

#: its lines are the parts of the run's reward, told with the first step
REWARD_PARTS = ChartSpec(
    "Reward parts",
    (Line("rewards/accuracy/mean", "Accuracy"),),
    "The mean of each reward, before its weight.",
)
_OPTIMIZER = (
    ChartSpec("Gradient norm", (Line("grad_norm", "Gradient norm"),)),
    ChartSpec("Learning rate", (Line("learning_rate", "Learning rate"),)),
)
_MEMORY = ChartSpec(
    "Memory",
    (
        Line("memory/peak_bytes", "Peak"),
        Line("memory/active_bytes", "In use"),
        Line("memory/process_bytes", "Process"),
    ),
    "The largest of each step, what stays in use after it, and the whole process as the system counts it: a process that "
    "climbs under a flat peak holds what it should not.",
)
_STEP_TIME = ChartSpec("Time per step", (Line("step_time", "Step"),))

REINFORCEMENT: Sections = {
    "learning": (
        ChartSpec(
            "Reward",
            (
                Line("reward", "Mean and spread", band="reward_std", bounds=("reward/min", "reward/max")),
                Line("eval/accuracy", "Held-out accuracy", points=True, untrained=True),
            ),
            "Mean reward of the sampled completions with the spread inside a group; dots are greedy answers to held-out "
            "rows, the dotted line the model before training.",
        ),
        REWARD_PARTS,
        ChartSpec(
            "Train against held-out",
            (Line("reward", "Train"), Line("eval/reward", "Held-out", points=True, untrained=True)),
            "A reward that rises in training alone is learnt by heart, or gamed.",
        ),
        ChartSpec(
            "Groups",
            (
                Line("groups/all_right", "All right", tone="good"),
                Line("groups/mixed", "Mixed", tone="accent"),
                Line("groups/all_wrong", "All wrong", tone="bad"),
            ),
            "Only mixed groups teach: where all are right nothing is left to learn, where all are wrong nothing is shown.",
            stacked=True,
        ),
        ChartSpec(
            "pass@1 and pass@G",
            (Line("pass@1", "pass@1"), Line("pass@G", "pass@G")),
            "The share of right completions, and of prompts with a right one among their group.",
        ),
        ChartSpec(
            "Completion length",
            (Line("completions/mean_length", "Mean"), Line("completions/max_length", "Longest")),
        ),
    ),
    "rewards": (
        ChartSpec(
            "Reward distribution",
            (
                Line("reward/q50", "Median and middle half", between=("reward/q25", "reward/q75")),
                Line("reward/q90", "90th percentile"),
                Line("reward/q10", "10th percentile"),
            ),
            "A mean hides whether all completions are middling or some are right and some are wrong.",
        ),
        ChartSpec(
            "Exactly 0 and exactly 1",
            (Line("reward/zero", "Exactly 0"), Line("reward/one", "Exactly 1")),
        ),
    ),
    "policy": (
        ChartSpec("Loss", (Line("loss", "Loss"),)),
        ChartSpec(
            "KL to the reference",
            (Line("kl/k1", "KL"), Line("kl", "KL penalty (k3)")),
            empty="No values yet; none while the KL penalty is 0",
        ),
        ChartSpec("Entropy", (Line("entropy", "Entropy"),)),
        ChartSpec(
            "Probability ratio",
            (Line("ratio/mean", "Mean", between=("ratio/min", "ratio/max")),),
            "How far the model is from what it was when it sampled; exactly 1 while each rollout is used once.",
        ),
        ChartSpec(
            "Sampler difference",
            (Line("sampling/logp_difference/mean", "Mean"), Line("sampling/logp_difference/max", "Largest")),
            empty="No values; they are measured where a rollout is scored before it is learnt from",
        ),
        ChartSpec(
            "Cut off or clipped",
            (
                Line("completions/clipped_ratio", "Completions cut off"),
                Line("clip_ratio/region_mean", "Tokens clipped"),
                Line("frac_reward_zero_std", "Groups without signal"),
            ),
        ),
        *_OPTIMIZER,
    ),
    "machine": (
        ChartSpec(
            "Seconds of a step",
            (
                Line("seconds/rollout", "Sampling"),
                Line("seconds/reward", "Scoring"),
                Line("seconds/update", "Learning"),
            ),
        ),
        _STEP_TIME,
        ChartSpec("Sampling speed", (Line("tokens_per_second", "Sampling speed"),)),
        _MEMORY,
    ),
}
SUPERVISED: Sections = {
    "learning": (
        ChartSpec(
            "Loss",
            (Line("loss", "Training"), Line("eval/loss", "Held-out", points=True, untrained=True)),
        ),
        ChartSpec("Held-out perplexity", (Line("eval/perplexity", "Perplexity", points=True),)),
        *_OPTIMIZER,
    ),
    "machine": (_STEP_TIME, _MEMORY),
}
PREFERENCE: Sections = {
    "learning": (
        ChartSpec(
            "Preferred rightly",
            (
                Line("rewards/accuracies", "Training"),
                Line("eval/preference_accuracy", "Held-out", points=True, untrained=True),
            ),
        ),
        ChartSpec(
            "Margin",
            (Line("rewards/margins", "Training"), Line("eval/rewards/margins", "Held-out", points=True)),
        ),
        ChartSpec("Rewards", (Line("rewards/chosen", "Chosen"), Line("rewards/rejected", "Rejected"))),
        ChartSpec(
            "Likelihood of answers", (Line("logps/chosen", "Chosen"), Line("logps/rejected", "Rejected"))
        ),
        ChartSpec(
            "Loss",
            (Line("loss", "Training"), Line("eval/loss", "Held-out", points=True, untrained=True)),
        ),
        ChartSpec("Entropy", (Line("entropy", "Entropy"),)),
        *_OPTIMIZER,
    ),
    "machine": (_STEP_TIME, _MEMORY),
}


#: a reward model gives numbers, not likelihoods
REWARD_MODEL: Sections = {
    "learning": (
        *PREFERENCE["learning"][:2],
        ChartSpec(
            "Rewards",
            (
                Line("rewards/mean", "All", between=("rewards/min", "rewards/max")),
                Line("rewards/chosen", "Chosen"),
                Line("rewards/rejected", "Rejected"),
            ),
            "Only differences are learnt: where the mean lies means nothing unless rewards are pulled to 0.",
        ),
        PREFERENCE["learning"][4],
        *_OPTIMIZER,
    ),
    "machine": PREFERENCE["machine"],
}


ACTOR_CRITIC: Sections = {
    **REINFORCEMENT,
    "policy": (
        ChartSpec(
            "Critic",
            (Line("critic/explained_variance", "Explained"), Line("critic/loss", "Loss")),
            "How much of the returns the critic foretells: 1 all, 0 no more than their mean, below 0 it misleads.",
        ),
        *REINFORCEMENT["policy"],
    ),
}


def sections_of(method: str) -> Sections:
    """The charts of a method."""
    config = METHOD_CONFIGS.get(method)
    if method == "reward":
        return REWARD_MODEL
    if config is not None and config.way == "actor_critic":
        return ACTOR_CRITIC
    if config is not None and config.way == "preference":
        return PREFERENCE
    return SUPERVISED if method == "sft" else REINFORCEMENT
