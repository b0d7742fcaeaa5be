"""Models of one family pad their vocabulary differently (Qwen2.5: 151,936 and 152,064): what both know is compared."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.methods.distillation.divergence import Divergence
from droid_tune.model.gradients.teacher_measure import TeacherMeasure

TEACHER = mx.random.normal((3, 6), key=mx.random.key(0))
STUDENT = mx.random.normal((3, 6), key=mx.random.key(1))


def measured(divergence: Divergence, student: mx.array, teacher: mx.array) -> tuple[mx.array, mx.array]:
    slots = np.arange(3)[None]
    measure = TeacherMeasure(divergence, teacher, slots, lambda states: states, 1.0)
    return measure.measured(student, np.arange(3))


@pytest.mark.parametrize(
    "divergence", [Divergence(0.5), *(Divergence(beta, 2, tail=beta == 0.5) for beta in (0.0, 0.5, 1.0))]
)
@pytest.mark.parametrize("wider", ["teacher", "student"])
def test_padding_that_one_side_has_more_of_changes_nothing(divergence: Divergence, wider: str) -> None:
    expected, slopes = measured(divergence, STUDENT, TEACHER)
    padding = mx.full((3, 2), 9.0)  # the likeliest of all, were they read
    if wider == "teacher":
        found, own = measured(divergence, STUDENT, mx.concatenate([TEACHER, padding], axis=-1))
    else:
        found, own = measured(divergence, mx.concatenate([STUDENT, padding], axis=-1), TEACHER)
        assert own.shape == (3, 8)
        assert not own[:, 6:].any()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(own[:, :6], slopes, rtol=1e-5)
