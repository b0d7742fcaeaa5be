"""What the KL penalty compares with, step by step through the loop: numbers from the checkpoints, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.events import Event
from droid_tune.train.starting.start import starting_policy
from tests.engine.train.conftest import tiny, train

Arrays = dict[str, mx.array]


def trained(folder: Path, **method: Any) -> list[Event]:
    config = tiny(
        method={"type": "grpo", "group_size": 4, "beta": 0.1, **method},
        training={"iterations": 3},
        checkpoint={"save_every": 1, "keep": 0},
        adapter={"rank": 2, "layers": 1},
    )
    finished, record = train(config, folder)
    assert finished.outcome == "completed", finished.why
    return record


def saved(folder: Path, step: int, name: str) -> Arrays:
    loaded = mx.load(str(folder / "checkpoints" / f"step-{step:06d}" / f"{name}.safetensors"))
    assert isinstance(loaded, dict)
    return loaded


def beginning(folder: Path) -> Arrays:
    return starting_policy(tiny(adapter={"rank": 2, "layers": 1}), folder).trainable()


def same(found: Arrays, expected: Arrays) -> bool:
    return all(np.allclose(found[name], expected[name], rtol=0, atol=1e-7) for name in expected)


def kl(record: list[Event]) -> list[float]:
    return [event.metrics["kl"] or 0.0 for event in record if event.type == "step"]


def test_a_moving_average_keeps_its_share_of_the_old_reference_at_every_step(tmp_path: Path) -> None:
    trained(tmp_path / "run", reference_mode="ema", ema_alpha=0.75)
    expected = beginning(tmp_path)
    for step in (1, 2, 3):
        policy = saved(tmp_path / "run", step, "adapters")
        expected = {name: 0.75 * old + 0.25 * policy[name] for name, old in expected.items()}
        assert same(saved(tmp_path / "run", step, "reference"), expected)
        assert not same(policy, expected)


def test_a_periodic_reference_is_a_copy_of_every_second_step(tmp_path: Path) -> None:
    trained(tmp_path / "run", reference_mode="periodic", reference_update_freq=2)
    second = saved(tmp_path / "run", 2, "adapters")
    assert same(saved(tmp_path / "run", 1, "reference"), beginning(tmp_path))
    assert same(saved(tmp_path / "run", 2, "reference"), second)
    assert same(saved(tmp_path / "run", 3, "reference"), second)


def test_a_static_reference_takes_no_copy_and_the_kl_grows_from_0(tmp_path: Path) -> None:
    record = trained(tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/*/reference.safetensors"))
    first, second, _ = kl(record)
    assert first == pytest.approx(0, abs=1e-7)
    assert second > 1e-6


def test_a_reference_that_follows_at_once_is_the_policy_itself(tmp_path: Path) -> None:
    record = trained(tmp_path / "run", reference_mode="ema", ema_alpha=0.0)
    assert kl(record) == pytest.approx([0, 0, 0], abs=1e-6)
