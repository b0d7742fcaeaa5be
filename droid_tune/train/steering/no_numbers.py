"""What is said, and what can be mended, where several updates in a row gave no number."""

from __future__ import annotations

from collections.abc import Mapping

import mlx.core as mx

from droid_tune import words
from droid_tune.errors import NotFiniteError, UserError
from droid_tune.train.learners.learner import Tensors

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
        return UserError(f"The weights are not numbers any more. {said}", remedy=_way_back(run_id, rate))
    return NotFiniteError(
        said,
        remedy=f"lower the learning rate, which is {words.number(rate)}: Steer… in the window, or "
        f"`droid-tune steer {run_id} learning_rate={words.number(rate / 5)}` in a terminal",
    )


def require_numbers_in(files: Mapping[str, Tensors], run_id: str, step: int, rate: float) -> None:
    """Before a save: what is no number can be gone on with by nobody, and would push the last good checkpoint out.

    `files` are arrays by the name of a checkpoint's file. Raises UserError.
    """
    broken = next((name for name, tensors in files.items() if not _finite(tensors)), None)
    if broken is not None:
        what = {"adapters": "weights", "heads": "head's weights"}.get(broken, f"{broken}'s averages")
        raise UserError(
            f"The {what} are not numbers any more after step {step:,}, which is not saved",
            remedy=_way_back(run_id, rate),
        )


def _way_back(run_id: str, rate: float) -> str:
    return (
        f"go back to an earlier checkpoint (`droid-tune resume {run_id} --checkpoint STEP`) with a lower learning "
        f"rate than {words.number(rate)}, or begin a new run with one"
    )


def _finite(tensors: Tensors) -> bool:
    found = [mx.isfinite(array).all() for array in tensors.values()]
    mx.eval(found)
    return all(bool(one) for one in found)
