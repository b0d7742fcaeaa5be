"""What people read of a turn."""

from __future__ import annotations

from typing import Any

from droid_tune.environments.episode import Answered, Ending, ToolCall, Turn
from droid_tune.rewards.base import Sample
from droid_tune.rollout.episodes.trajectory import Recorder, Trajectory, beside_calls


def test_what_is_told_of_a_turn_is_beside_its_calls_and_calls_that_cannot_be_read_stay_in_it() -> None:
    call = ToolCall("price", {"item": "pears"})
    written = '<think>the price</think>I look.<tool_call>{"name": "price"}</tool_call>'
    read = Turn("assistant", "I look.", (call,), thinking="the price")
    assert beside_calls(written, read) == "<think>\nthe price\n</think>\n\nI look."
    assert beside_calls(written, Turn("assistant", written)) == written


def ended(text: str, said: Turn, ending: Ending, **more: Any) -> Trajectory:
    """An episode of one turn."""
    recorder = Recorder([Turn("user", "2 + 3?")])
    recorder.wrote(0, 4)
    recorder.answered(text, Answered(said, ending=ending, **more), 0.0)
    return recorder.finished(ending)


def test_an_answer_behind_thoughts_that_its_prompt_opened_is_judged_by_what_follows_them() -> None:
    said = Turn("assistant", "It is 5.", thinking="2 and 3")
    path = ended("<think>2 and 3</think>It is 5.", said, "answered")
    for prompt_ends in ("<|assistant|><think>\n", "<|assistant|>"):
        sample = Sample("2 + 3?", path.answer, {"answer": "5"}, prompt_ends=prompt_ends)
        assert (sample.spoken or "").strip() == "It is 5."


def test_a_turn_that_still_calls_a_tool_when_it_is_cut_is_no_answer() -> None:
    call = ToolCall("add", {"a": 2, "b": 3})
    assert (
        ended("It is 5. [call]", Turn("assistant", "It is 5.", (call,)), "turns", calling=True).answer == ""
    )
    unread = '<tool_call>{"name": "add", "arguments": {"a": 5'
    assert ended(unread, Turn("assistant", unread), "tokens", calling=True).answer == ""
    assert ended("It is 5, beca", Turn("assistant", "It is 5, beca"), "tokens").answer == "It is 5, beca"
    # cut between two turns: what was said beside the call before is none either
    recorder = Recorder([Turn("user", "2 + 3?")])
    recorder.wrote(0, 4)
    recorder.answered("It is 5.[call]", Answered(Turn("assistant", "It is 5.", (call,))), 0.0)
    recorder.follows(Answered(Turn("assistant", ""), (Turn("tool", "5"),)), 2, 0.0)
    assert recorder.finished("tokens", Answered(Turn("assistant", ""), ending="tokens")).answer == ""
    # the environment's own end is an end
    assert ended("Right.[call]", Turn("assistant", "Right.", (call,)), "environment").answer == "Right."
