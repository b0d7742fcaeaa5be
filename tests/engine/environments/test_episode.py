"""What an environment is to the sampler: its plain values."""

from __future__ import annotations

from droid_tune.environments.episode import Answered, Seeds, ToolCall, Turn


def test_members_of_a_group_begin_alike_and_go_on_apart() -> None:
    first, second = Seeds(7, 3, 11, member=0), Seeds(7, 3, 11, member=1)
    assert first.group == second.group
    assert first.turn(0) != second.turn(0)


def test_seeds_differ_by_run_step_row_and_turn() -> None:
    groups = {Seeds(*numbers).group for numbers in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]}
    turns = {Seeds(0, 0, 0).turn(number) for number in range(100)}
    assert (len(groups), len(turns)) == (5, 100)
    assert Seeds(0, 0, 0).group == Seeds(0, 0, 0).group
    assert all(0 <= one < 2**31 for one in groups | turns)


def test_a_turn_is_written_as_templates_read_it() -> None:
    turn = Turn("assistant", "", (ToolCall("add", {"a": 1}),), thinking="hm")
    assert turn.message() == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "hm",
        "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}],
    }
    assert Turn("tool", "3", name="add").message() == {"role": "tool", "content": "3", "name": "add"}


def test_an_episode_goes_on_until_it_has_an_ending() -> None:
    assert not Answered(Turn("assistant", "")).done
    assert Answered(Turn("assistant", ""), ending="turns").done
