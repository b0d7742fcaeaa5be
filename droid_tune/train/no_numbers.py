"""What is said, and what can be mended, where several updates in a row gave no number."""

from __future__ import annotations

import mlx.core as mx

from droid_tune import words
from droid_tune.errors import NotFiniteError, UserError
from droid_tune.train.learner import Tensors

#: updates in a row with a loss or gradient that is no number, after which a run waits or ends
NON_FINITE_LIMIT = 3


def trouble_with_numbers(run_id: str, step: int, rate: float, weights: Tensors) -> UserError:
    """Why the run cannot go on as it is after the last of NON_FINITE_LIMIT updates that gave no number.

    `rate` is the learning rate as it is set. A NotFiniteError where a lower one may mend it; weights that are themselves no
    numbers are beyond that.
    """
    said = (
        f"The loss or its gradient was not a number in {NON_FINITE_LIMIT} steps in a row "
        f"(steps {step - NON_FINITE_LIMIT + 1} to {step}); none of these was applied"
    )
    if not _finite(weights):
        return UserError(
            f"The weights are not numbers any more. {said}",
            remedy=f"go back to an earlier checkpoint (`droid-tune resume {run_id} --checkpoint STEP`) with a lower learning "
            f"rate than {words.number(rate)}, or begin a new run with one",
        )
    return NotFiniteError(
        said,
        remedy=f"lower the learning rate, which is {words.number(rate)}: Steer… in the window, or "
        f"`droid-tune steer {run_id} learning_rate={words.number(rate / 5)}` in a terminal",
    )


def _finite(weights: Tensors) -> bool:
    return all(bool(mx.isfinite(array).all()) for array in weights.values())
