"""A slow machine checks less, and says so."""

from __future__ import annotations

from droid_tune.estimate.check_pace import Pace, Shortened

#: four completions: 1 s to the first token, then half a second each, and the update takes as long again
SLOW = Pace(rows=4, first_s=1.0, token_s=0.5, backward=1.0)


def test_what_a_rollout_takes() -> None:
    assert SLOW.seconds(4, 10) == 12.0  # (1 + 10 / 2) x 2
    assert SLOW.seconds(8, 10) == 24.0


def test_fewer_rows_first_then_shorter_ones() -> None:
    assert SLOW.affordable_rows(8, 10, 24.0) == 8
    assert SLOW.affordable_rows(8, 10, 12.0) == 4
    assert SLOW.affordable_tokens(4, 100, 62.0) == 60  # 2 s to begin with, 1 s a token
    assert SLOW.affordable_tokens(4, 100, 0.0) == 16
    assert SLOW.affordable_tokens(4, 10, 0.0) == 10


def test_what_was_left_out_is_said() -> None:
    assert Shortened(8, 8, 64, 64, 64).sentences() == []
    assert Shortened(4, 4).sentences() == []
    assert Shortened(2, 8, 16, 512, 32).sentences() == [
        "2 of 8 prompts were sampled",
        "completions were cut at 16 of 512 tokens",
        "memory was measured with 32 of 512 tokens, and estimated for all",
    ]
