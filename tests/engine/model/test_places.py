"""What a model trains is found, read and written where MLX's own walk finds it."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import pytest

from droid_tune.model.arrays import flat_arrays
from droid_tune.model.places import named_modules, put_arrays, set_training, trainable_arrays


class Nested(nn.Module):
    """Arrays in lists and dictionaries, private ones, and modules in both."""

    def __init__(self) -> None:
        super().__init__()
        self.own = mx.ones(2)
        self.many = [mx.zeros(1), nn.Linear(2, 2), [mx.ones(3)]]
        self.named = {"first": mx.ones(1), "layer": nn.LayerNorm(2), "deep": {"last": mx.zeros(4)}}
        self._hidden = mx.ones(5)
        self._beside = nn.Linear(2, 2)


def frozen(*keys: str) -> nn.Module:
    module = Nested()
    if keys:
        module.freeze(recurse=False, keys=list(keys))
    return module


CASES = [
    frozen(),
    frozen("own"),
    frozen("many.0", "named.deep.last"),
    frozen("many", "named"),
    Nested().freeze(),
    nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)),
]


@pytest.mark.parametrize("model", CASES)
def test_names_order_and_arrays_are_those_of_mlx(model: nn.Module) -> None:
    expected, found = flat_arrays(model.trainable_parameters()), trainable_arrays(model)
    assert list(found) == list(expected)
    assert all(found[name] is expected[name] for name in expected)
    assert sorted(map(id, model.modules())) == sorted(id(module) for _, module in named_modules(model))
    assert {name for name, _ in model.named_modules()} == {name for name, _ in named_modules(model)}


def test_arrays_are_put_where_mlx_reads_them() -> None:
    model = Nested()
    moved = {name: array + 1 for name, array in trainable_arrays(model).items()}
    put_arrays(model, moved)
    now = flat_arrays(model.parameters())
    assert all(now[name] is array for name, array in moved.items())
    with pytest.raises(KeyError):
        put_arrays(model.freeze(), {"own": mx.ones(2)})


def test_every_module_goes_into_training_and_back() -> None:
    model = Nested()
    for training in (False, True):
        set_training(model, training=training)
        assert all(module.training is training for module in model.modules())
