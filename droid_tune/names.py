"""The closed lists of words that configs, files and formulas share: each stands here and nowhere else.

It lies below every floor, so that the mathematics may read it too. A word in a list is what a config, an event or a
checkpoint says; renaming one breaks old runs.
"""

from __future__ import annotations

from typing import Literal

#: losses with PPO's two branches, of which the smaller counts (methods/losses/objectives.py has the functions)
ClippedLoss = Literal["grpo", "bnpo", "dr_grpo", "dapo", "luspo"]
#: losses without
UnclippedLoss = Literal["cispo", "sapo", "vespo", "reinforce"]
#: losses of whole completions: one number a row, and their mean
RowLoss = Literal["rloo", "gmpo", "a2po"]
LossType = Literal[ClippedLoss, UnclippedLoss, RowLoss]
#: losses of pairs (methods/losses/pairs/dpo_objectives.py has the functions, but for sft, the chosen answers' likelihood)
DPOLoss = Literal[
    "sigmoid",
    "sigmoid_norm",
    "hinge",
    "ipo",
    "robust",
    "exo_pair",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
]
FDivergence = Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"]
#: losses of pairs without a reference model, and of single answers with a verdict
CPOLoss = Literal["sigmoid", "simpo", "hinge", "ipo"]
TPOLoss = Literal["sigmoid", "tpo-l", "hinge", "ipo"]
KTOLoss = Literal["kto", "apo_zero_unpaired"]
#: over what the probability ratio is taken
RatioLevel = Literal["token", "sequence", "sequence_sum", "sequence_token", "none"]
#: losses of a preferred completion above another, both fresh
OnlinePairLoss = Literal["sigmoid", "ipo"]
#: what is compared of a teacher and its student at each token
DistillationMode = Literal["full_logits", "topk_logits", "sampled_token"]
#: what is made of a teacher's word: distances, or weights of the sampled tokens
DistillationObjective = Literal["divergence", "importance_weighted", "reward_to_go"]
#: which token of a group gives its distribution, where tokenizers differ
MergeStrategy = Literal["observed", "bayesian"]
#: which weights a self-teacher has: those before training, their moving average, or those of now
TeacherKind = Literal["initial", "ema", "live"]
#: what a completion's reward is compared with
Baseline = Literal["group", "leave_one_out", "batch", "success_rate", "value", "critic"]
#: how the prompts of a rollout are chosen
PromptSelection = Literal["shuffled", "signal"]
#: whose spread divides a group's rewards
ScaleRewards = Literal["group", "batch", "none"]
Aggregation = Literal["sum_then_normalize", "normalize_then_sum"]
#: how the reference follows the policy
ReferenceMode = Literal["static", "ema", "periodic"]
CorrectionMode = Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]
#: `auto` corrects where keys and values are kept in few bits, token by token where the loss has tokens
SamplerCorrection = Literal["auto", "off", CorrectionMode]

#: bits in which keys and values are kept while completions are sampled
KVCache = Literal["as_is", "8bit", "4bit"]
#: whether the temperature acts before the filters or after them
FilterOrder = Literal["temperature_first", "temperature_last"]
#: why a completion ended
FinishReason = Literal["stop", "length"]
#: for chat templates that can switch thinking on or off; `template` leaves it as the model has it
Thinking = Literal["template", "on", "off"]
#: where a template shows earlier turns otherwise once others follow: go on behind what the model wrote, or refuse
RewrittenHistory = Literal["keep", "refuse"]
#: why an episode ended before its environment or its model ended it: "" where one of them did
EpisodeCut = Literal["", "turns", "tokens", "time", "failed"]
#: to what an episode's rewards are credited: the whole of it, or each turn besides (GiGPO)
TurnCredit = Literal["episode", "turn"]

Split = Literal["train", "valid", "test"]
#: of a run's checkpoints: the newest, the one with the best held-out evaluation; else its step is said
LAST, BEST = "last", "best"
#: what names a checkpoint, as a regular expression
CHECKPOINT = f"{LAST}|{BEST}|[0-9]{{1,12}}"
#: how gradients are computed
Backward = Literal["auto", "two_stage", "layerwise", "plain"]

#: what a run's result is written as (config/exporting.py tells of each)
ExportTarget = Literal["adapter", "fused", "gguf", "peft", "ollama", "lmstudio", "hub"]
#: the types of exported weights; `keep` is the base's own
WeightType = Literal["keep", "none", "bf16", "f16", "q8_0", "q4_0", "mlx-4bit", "mlx-8bit"]

#: what a method asks of a row: something to answer, an answer to imitate, two answers to compare, an answer with a verdict
Need = Literal["prompt", "demonstration", "preference", "verdict"]
#: how a method learns: which learner of the loop takes it
Way = Literal[
    "policy_gradient",
    "actor_critic",
    "supervised",
    "preference",
    "self_distillation",
    "distillation",
    "online_preference",
]
#: what becomes of a pair that is longer than a sequence may be
TooLong = Literal["cut_end", "leave_out"]
