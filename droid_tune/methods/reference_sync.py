"""How the reference model follows the policy: static, moving average, or a copy now and then."""

from __future__ import annotations

import mlx.core as mx

from droid_tune.names import ReferenceMode


def policy_share(mode: ReferenceMode, step: int, *, ema_alpha: float, every: int) -> float | None:
    """The weight of the policy in the reference after optimizer step `step` (from 1); None: no change now.

    `ema_alpha` weighs the old reference, at every step; `every` is the steps between copies in periodic mode.
    """
    if mode == "ema":
        return 1.0 - ema_alpha
    if mode == "periodic" and step % every == 0:
        return 1.0
    return None


def teacher_share(step: int, *, rate: float, every: int) -> float | None:
    """The weight of the student in its own teacher after optimizer step `step` (from 1): `rate` every so many steps."""
    return rate if step % every == 0 else None


def mixed(policy: mx.array, reference: mx.array, share: float) -> mx.array:
    """share x policy + (1 - share) x reference. TRL's `ref_model_mixup_alpha` is this share of the policy."""
    return share * policy + (1.0 - share) * reference
