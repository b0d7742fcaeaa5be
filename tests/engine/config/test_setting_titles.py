"""Settings in people's words, the same in the form, in sentences and in comparisons."""

from __future__ import annotations

import pytest

from droid_tune.config import resolve
from droid_tune.config.setting_titles import choice_label, setting_name, setting_title, setting_value
from droid_tune.runs.origin.identity import flat_settings

OWN = resolve({"rewards": [{"type": "format"}], "environment": {"type": "tools", "path": "tools.py"}})
ONE = OWN.model_dump(mode="json")
OTHER = resolve({"method": "dr_grpo"}).model_dump(mode="json")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("training.iterations", "Training, Steps"),
        ("model.path", "Model"),
        ("model.start_from", "Start, Start from run"),
        ("data.shuffle", "Prompts, Shuffle"),
        ("method.type", "Method"),
        ("adapter.type", "Adapter, What is trained"),
        ("method.group_size", "GRPO, Completions per prompt"),
        ("environment", "Tools and turns"),
        ("environment.max_turns", "Functions as tools, Most turns"),
        ("rewards.0.pattern", "Reward 1, Pattern"),
        ("rewards[1].pattern", "Reward 1, Pattern"),
        ("rewards.7.strange", "Reward 8, strange"),
        ("sampling.stop_strings.1", "Sampling, Stop texts 2"),
        ("no_longer.known", "no_longer.known"),
    ],
)
def test_a_setting_is_called_as_setup_calls_it(path: str, title: str) -> None:
    assert setting_title(path, ONE) == title


def test_no_setting_of_a_run_is_without_a_title() -> None:
    for path, _ in flat_settings(ONE):
        assert setting_name(path, ONE) != path.rpartition(".")[2], path


def test_where_methods_differ_the_heading_is_none_of_theirs() -> None:
    assert setting_title("method.group_size", ONE, OTHER) == "Method, Completions per prompt"


def test_choices_read_like_words_and_own_texts_stay() -> None:
    assert (choice_label("dr_grpo"), choice_label("two_stage")) == ("Dr. GRPO", "Two stage")
    assert setting_value("method.type", "grpo", ONE) == "GRPO"
    assert setting_value("rewards.0.type", "format", ONE) == "Format"
    assert setting_value("sampling.kv_cache", "8bit", ONE) == "8 bits"
    assert setting_value("rewards.0.pattern", "8bit", ONE) == "8bit"


def test_values_have_their_units() -> None:
    assert setting_value("environment.max_turn_tokens", 4096, ONE) == "4,096 tokens"
    assert setting_value("environment.timeout_seconds", 0.5, ONE) == "0.5 s"
    assert setting_value("data.shuffle", False, ONE) == "off"
    assert setting_value("optimizer.learning_rate", None, ONE) == ""
