"""One function per thing that a run's metrics can show: a sentence and a remedy, or None.

`told` says whether the user has been told already: a symptom clears only well below where it appears, so that a curve that
trembles about the threshold does not nag.
"""

from __future__ import annotations

from droid_tune import words
from droid_tune.train.diagnosis.episode_symptoms import cut_episodes, refused_calls
from droid_tune.train.diagnosis.history import History
from droid_tune.train.diagnosis.pair_change import PairChange, less_likely
from droid_tune.train.diagnosis.symptom_facts import Facts, Said, Symptom

KL_THRESHOLD = 0.5
_FEW, _WINDOW = 5, 10
_SFT_RATE = 1e-4
_LEARNT = 0.9
_TINY_CLIP = 1e-3


def no_signal(history: History, facts: Facts, told: bool) -> Said | None:
    """Groups with equal rewards: from 80 % of them, until fewer than 60 %."""
    share = history.mean("frac_reward_zero_std", _FEW)
    right = history.mean("rewards/accuracy/mean", _FEW)
    if share is None or share < (0.6 if told else 0.8) or (right is not None and right >= _LEARNT):
        return None
    all_wrong = right is not None and right <= 0.1
    return Said(
        f"{words.share(share)} of the groups had equal rewards in the last {_FEW} steps{', because all are wrong' * all_wrong}: "
        "equal rewards teach nothing.",
        "The task is too hard yet: take easier prompts, train by SFT first, or add a reward that gives part of the credit "
        "(partial format, similarity)."
        if all_wrong
        else "Use more completions per prompt, a higher temperature, or a reward with finer steps.",
    )


def learnt(history: History, facts: Facts, told: bool) -> Said | None:
    """The same where nearly all are right: the run is done."""
    share = history.mean("frac_reward_zero_std", _FEW)
    right = history.mean("rewards/accuracy/mean", _FEW)
    if share is None or right is None or right < _LEARNT or share < (0.6 if told else 0.8):
        return None
    return Said(
        f"{words.share(right)} of the completions were right in the last {_FEW} steps: little is left to learn from these "
        "prompts.",
        "Stop here and keep the result, or go on with harder prompts.",
    )


def cut_off(history: History, facts: Facts, told: bool) -> Said | None:
    """Completions at the length limit: from half of them, until fewer than 30 %."""
    share = history.mean("completions/clipped_ratio", _FEW)
    if share is None or share < (0.3 if told else 0.5) or history.last("episodes/cut_turns", 1):
        return None  # what cuts episodes is said by what cut them
    if facts.masks_cut_off and share == 1.0:
        return Said(
            f"Every completion was cut off at {facts.max_completion_length} tokens in the last {_FEW} steps, and cut-off "
            "ones are left out: nothing was learnt.",
            "Raise the longest completion, or switch `mask_truncated_completions` off.",
        )
    return Said(
        f"{words.share(share)} of the completions were cut off at {facts.max_completion_length} tokens, before their answer.",
        "Raise the longest completion, ask for short answers in the system prompt, or add the length reward.",
    )


def skipped(history: History, facts: Facts, told: bool) -> Said | None:
    """Answers that are no longer than what is left out at their beginning: of the usual length, or all of them."""
    usual, longest = (
        history.mean("completions/mean_length", _FEW),
        history.mean("completions/max_length", _FEW),
    )
    if not facts.tokens_skipped or usual is None or longest is None or usual > facts.tokens_skipped:
        return None
    left_out = words.count(facts.tokens_skipped, "token")
    nothing = longest <= facts.tokens_skipped
    return Said(
        f"The first {left_out} of each answer are left out, and answers had {usual:.0f} in the last {_FEW} steps: "
        f"{'nothing' if nothing else 'of most of them nothing'} was learnt.",
        "Lower `num_loss_tokens_to_skip`, or have the model answer at more length.",
    )


def drifting(history: History, facts: Facts, told: bool) -> Said | None:
    """KL above the threshold and rising while the reward does not: the model moves and gains nothing.

    Judged by k1: k3 leaps when one rare token comes up.
    """
    kl, before = history.mean("kl/k1", _WINDOW), history.mean("kl/k1", _WINDOW, skip=_WINDOW)
    reward, earlier = history.mean("reward", _WINDOW), history.mean("reward", _WINDOW, skip=_WINDOW)
    spread = history.spread("reward", 2 * _WINDOW)
    if kl is None or before is None or reward is None or earlier is None or spread is None:
        return None
    if told:
        if kl < KL_THRESHOLD:
            return None
    elif kl < KL_THRESHOLD or kl <= before or reward - earlier > 0.8 * spread:
        return None
    return Said(
        f"The model has moved away from where it began (KL {before:.2f}, now {kl:.2f}), but its reward has not risen "
        f"({earlier:.3g}, now {reward:.3g}).",
        "Lower the learning rate or raise the KL penalty (beta).",
    )


def collapsed(history: History, facts: Facts, told: bool) -> Said | None:
    """Entropy below 0.05 nats a token and a fifth of the beginning's."""
    first, now = history.beginning("entropy"), history.mean("entropy", _FEW)
    if first is None or now is None or now > (0.1 if told else 0.05) or now > (0.4 if told else 0.2) * first:
        return None
    return Said(
        f"The entropy has collapsed (at first {first:.2f} nats per token, now {now:.3f}): the model is almost certain of "
        "every token and hardly tries anything new.",
        "Fine where the reward is high already; else use a lower learning rate, an entropy bonus, or a wider upper clip.",
    )


def exploding(history: History, facts: Facts, told: bool) -> Said | None:
    """A gradient norm of ten times the usual, until it is below three times."""
    now, usual = history.median("grad_norm", 3), history.median("grad_norm", 20, skip=3)
    if now is None or usual is None or usual <= 0 or now < (3 if told else 10) * usual:
        return None
    clip = (
        f"it is clipped at {facts.max_grad_norm:g}"
        if facts.max_grad_norm
        else "nothing clips it: set a gradient clip"
    )
    return Said(
        f"The gradient norm has jumped from about {usual:.2g} to {now:.2g}; {clip}.",
        "If the reward falls or the loss is no number, go back to the last checkpoint with a lower learning rate.",
    )


def off_policy(history: History, facts: Facts, told: bool) -> Said | None:
    """A mean ratio beyond 1.5, or half of the tokens clipped."""
    ratio = history.mean("ratio/mean", _FEW)
    clipped = history.mean("clip_ratio/region_mean", _FEW)
    far = ratio is not None and not (1 / 1.5 < ratio < 1.5)
    much = clipped is not None and not facts.sequence_level and clipped > (0.3 if told else 0.5)
    if ratio is None or not (far or much):
        return None
    if far or clipped is None:
        seen = f"the ratio is {ratio:.2f} on average"
    else:
        seen = f"{words.share(clipped)} of the tokens are clipped"
    return Said(
        f"The model has moved far from what it was when the completions were sampled: {seen}.",
        "Use fewer passes over a rollout, or a lower learning rate.",
    )


def loss_near_zero(history: History, facts: Facts, told: bool) -> Said | None:
    """Told once: a loss near 0 is normal in reinforcement."""
    loss = history.mean("loss", _FEW)
    if not facts.reinforcement or loss is None or abs(loss) > 0.02:
        return None
    return Said(
        "The loss is near 0, which is normal here: advantages are centred, so it starts at 0 and says little.",
        "Watch the reward and the held-out accuracy instead.",
    )


def sft_rate(history: History, facts: Facts, told: bool) -> Said | None:
    """A learning rate fit for SFT in a reinforcement run."""
    if not facts.reinforcement or facts.rate_is_recommended or facts.learning_rate < _SFT_RATE:
        return None
    return Said(
        f"The learning rate {facts.learning_rate:g} is in the range of SFT; reinforcement methods mostly take 1e-5 or less.",
        "If the reward falls or the KL grows quickly, start again with 1e-5.",
    )


def tiny_epsilon(history: History, facts: Facts, told: bool) -> Said | None:
    """A clip width that was meant for numerical stability."""
    if not facts.reinforcement or facts.sequence_level or facts.epsilon > _TINY_CLIP:
        return None
    return Said(
        f"The clip width (epsilon) is {facts.epsilon:g}: almost every token is clipped once a rollout is used twice.",
        "The usual width is 0.2; the small number added to the spread of the rewards is the advantage epsilon.",
    )


def idle_sequence_clip(history: History, facts: Facts, told: bool) -> Said | None:
    """GSPO's clip where each rollout feeds one update only."""
    if not facts.sequence_level or facts.clip_acts:
        return None
    return Said(
        "Each rollout is used for one update, so the clip over whole completions never acts: the run equals one without it.",
        "Set the passes over a rollout to 2 or more to use it, or leave it: the run is right either way.",
    )


def wholly_clipped(history: History, facts: Facts, told: bool) -> Said | None:
    """Sequence-level clips are narrow and often act; where they take nearly all, a pass teaches nothing."""
    clipped = history.mean("clip_ratio/region_mean", 2)
    if not facts.sequence_level or clipped is None or clipped <= (0.8 if told else 0.9):
        return None
    return Said(
        f"{words.share(clipped)} of the completions were clipped in the last steps: hardly anything is learnt from these passes.",
        f"Use one pass over a rollout, a lower learning rate, or a wider clip (epsilon is {facts.epsilon:g}).",
    )


def idle_entropy_filter(history: History, facts: Facts, told: bool) -> Said | None:
    """A model that is certain of most tokens has entropies of exactly 0: the quantile is 0 too, and all are kept."""
    kept = history.mean("entropy_filter/kept", _FEW)
    if kept is None or kept < facts.entropy_share + (0.1 if told else 0.2):
        return None
    return Said(
        f"The entropy filter was to keep {words.share(facts.entropy_share)} of the tokens and keeps "
        f"{words.share(kept)}: the model is wholly certain of most of them, and equals are kept together.",
        "Set `top_entropy_quantile` to 1, or sample at a higher temperature.",
    )


def both_less_likely(history: History, facts: Facts, told: bool) -> Said | None:
    """The margin grows while both answers become less likely than the reference finds them: each step has other answers,
    whose log-probabilities cannot be set against those of an earlier one."""
    names = ("rewards/chosen", "rewards/rejected", "logps/chosen")
    chosen, rejected, now = (history.mean(name, _WINDOW) for name in names)
    if facts.reference_beta is None or chosen is None or rejected is None or now is None:
        return None
    fall = PairChange(chosen / facts.reference_beta, rejected / facts.reference_beta)
    return less_likely(fall, now - fall.chosen, told=told)


def misleading_critic(history: History, facts: Facts, told: bool) -> Said | None:
    """A critic that is worse than a constant for long: its advantages are noise."""
    explained, before = (
        history.mean("critic/explained_variance", _WINDOW, skip=skip) for skip in (0, _WINDOW)
    )
    if explained is None or before is None or max(explained, before) > (0.05 if told else -0.05):
        return None
    return Said(
        f"The critic foretells less than a constant would (explained variance {explained:.2f} over {_WINDOW} steps): it "
        "blurs what the rewards say.",
        "Set `lam` to 1, which goes by the rewards alone, raise the learning rate, or use GRPO, which needs no critic.",
    )


SYMPTOMS = (
    Symptom("sft_learning_rate", "warning", sft_rate, lasting=True),
    Symptom("epsilon_tiny", "warning", tiny_epsilon, lasting=True),
    Symptom("sequence_clip_idle", "info", idle_sequence_clip, lasting=True),
    Symptom("loss_near_zero", "info", loss_near_zero, lasting=True),
    Symptom("no_learning_signal", "warning", no_signal),
    Symptom("task_learnt", "info", learnt),
    Symptom("completions_cut_off", "warning", cut_off),
    Symptom("answers_left_out", "warning", skipped),
    Symptom("episodes_cut", "warning", cut_episodes),
    Symptom("calls_refused", "warning", refused_calls),
    Symptom("kl_without_reward", "warning", drifting),
    Symptom("entropy_collapse", "warning", collapsed),
    Symptom("gradient_explosion", "warning", exploding),
    Symptom("ratio_far_from_1", "warning", off_policy),
    Symptom("sequences_all_clipped", "warning", wholly_clipped),
    Symptom("entropy_filter_idle", "warning", idle_entropy_filter),
    Symptom("both_answers_less_likely", "warning", both_less_likely),
    Symptom("critic_misleads", "warning", misleading_critic),
)
