"""What people read of a turn."""

from __future__ import annotations

from droid_tune.environments.episode import ToolCall, Turn
from droid_tune.rollout.episodes.trajectory import beside_calls


def test_what_is_told_of_a_turn_is_beside_its_calls_and_calls_that_cannot_be_read_stay_in_it() -> None:
    call = ToolCall("price", {"item": "pears"})
    written = '<think>the price</think>I look.<tool_call>{"name": "price"}</tool_call>'
    read = Turn("assistant", "I look.", (call,), thinking="the price")
    assert beside_calls(written, read) == "<think>\nthe price\n</think>\n\nI look."
    assert beside_calls(written, Turn("assistant", written)) == written
