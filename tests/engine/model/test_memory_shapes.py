"""Lengths come from a short list, batches hold the tokens that the plan allows, compiled graphs are few."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.model.gradients.passes import whole_rows
from droid_tune.model.gradients.scoring_rows import ScoringRows

MOST_SHAPES = 64


def rows_of(*lengths: int) -> ScoringRows:
    """Rows of so many tokens that are read: a prompt of one, and one more at the end that is only a target."""
    longest = max(lengths)
    mask = (np.arange(longest)[None] < np.array(lengths)[:, None]).astype(np.float32)
    tokens = np.arange(len(lengths) * longest, dtype=np.int32).reshape(len(lengths), longest)
    return ScoringRows([[7]] * len(lengths), np.arange(len(lengths)), tokens, mask)


@given(st.integers(1, 100_000))
def test_a_length_is_padded_by_less_than_an_eighth_or_by_at_most_seven_tokens(length: int) -> None:
    assert length <= bucketed(length) < max(length + 8, 1.125 * length)


@given(st.integers(1, 100_000))
def test_an_allowed_length_stays(length: int) -> None:
    assert bucketed(bucketed(length)) == bucketed(length)


def test_there_are_few_lengths() -> None:
    assert [bucketed(length) for length in (1, 8, 9, 64, 65, 128, 129, 256, 257)] == [
        *(8, 8, 16, 64, 72, 128, 144, 256, 288)
    ]
    assert len({bucketed(length) for length in range(1, 2049)}) <= MOST_SHAPES


def test_short_rows_share_a_batch_of_no_more_tokens() -> None:
    batches = list(whole_rows(rows_of(14, 64, 30, 3), 1))
    assert [batch.tokens.shape for batch in batches] == [(1, 64), (2, 32), (1, 8)]
    assert [batch.row_index.tolist() for batch in batches] == [[1], [2, 0], [3]]


def test_the_last_token_of_a_row_is_a_target_and_is_not_read() -> None:
    (batch,) = whole_rows(rows_of(16), 1)
    assert batch.tokens.shape == (1, 16)
    assert batch.tokens[0].tolist() == [7, *range(15)]
    assert batch.targets.tolist() == list(range(16))
    assert batch.states.tolist() == list(range(16))


def test_the_completions_of_a_group_are_padded_with_tokens_that_nothing_is_scored_of() -> None:
    mask = np.ones((2, 9), np.float32)
    mask[1, 4:] = 0
    rows = ScoringRows.of_groups([[5, 6]], 2, np.arange(18).reshape(2, 9), mask)
    ((_, (batch,)),) = rows.micro_batches(4)
    assert batch.tokens[0].tolist() == [*range(9), *[0] * 7]
    assert batch.scored.tolist() == [*range(9), 16, 17, 18, 19]
    assert batch.spread(9).tolist() == [*range(9), 9, 10, 11, 12]


COUNTER = """
import json, sys
from collections import Counter
from functools import partial, wraps
from pathlib import Path
import mlx.core as mx

compiled, original = Counter(), mx.compile

def counting(function=None, **settings):
    if function is None:
        return partial(counting, **settings)

    @wraps(function)
    def traced(*arguments, **named):
        try:
            mx.eval(arguments)
        except ValueError:  # only while a graph is being compiled can an argument not be evaluated
            compiled[function.__qualname__] += 1
        return function(*arguments, **named)

    return original(traced, **settings)

mx.compile = counting
from tests.engine.train.conftest import tiny, train

folder = Path(sys.argv[1])
for name, changes in json.loads(sys.argv[2]).items():
    end, _ = train(tiny(**changes), folder / name)
    assert end.outcome == "completed", end.why
print(json.dumps(compiled))
"""


def test_ragged_runs_compile_few_graphs(tmp_path: Path, project_root: Path) -> None:
    """Whatever is compiled, by mlx-lm or by us, from the first import on; each compilation is counted."""
    rows = [{"prompt": "7 " * (1 + place), "completion": "4 " * (1 + place // 2)} for place in range(70)]
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = {
        "sft": {
            "method": {"type": "sft"},
            "rewards": [],
            "data": {"path": str(data)},
            "training": {"iterations": 70, "batch_size": 1},
            "evaluation": {"rows": 8},
            "memory": {
                "backward": "layerwise"
            },  # its way forth has no gradient: what is compiled is not traced
        },
        "grpo": {"training": {"iterations": 3, "batch_size": 1}, "method": {"beta": 0.1}},
    }
    done = subprocess.run(
        [sys.executable, "-c", COUNTER, str(tmp_path), json.dumps(changes)],
        env=os.environ | {"PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    compiled = json.loads(done.stdout.splitlines()[-1])
    assert 0 < sum(compiled.values()) <= MOST_SHAPES, compiled
