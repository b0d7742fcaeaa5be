"""The run being prepared: only what differs is kept, every fault has a place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.errors import UserError
from ui.draft import Draft, home_of


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model folder that recommends nothing, so that the defaults are the fields' own."""
    return str(tmp_path)


@pytest.fixture
def draft(model: str) -> Draft:
    made = Draft()
    made.set_model(model)
    return made


def test_a_fresh_draft_starts() -> None:
    assert Draft().faults() == {}
    assert Draft().config().model.path == "starter"


def test_only_what_differs_is_kept(draft: Draft) -> None:
    draft.set("method.group_size", 4)
    assert draft.changed("method.group_size")
    draft.set("method.group_size", 8)  # GRPO's default
    assert not draft.changed("method.group_size")
    assert draft.changes() == []


def test_resetting_brings_the_default_back(draft: Draft) -> None:
    draft.set("training.iterations", 7)
    draft.reset("training.iterations")
    assert draft.value("training.iterations") == 200


def test_each_method_keeps_its_own_values(draft: Draft) -> None:
    draft.set("method.beta", 0.5)
    draft.method = "dr_grpo"
    assert draft.value("method.beta") == 0.0
    draft.method = "grpo"
    assert draft.value("method.beta") == 0.5


def test_a_preset_moves_the_defaults_but_not_the_users_values(draft: Draft) -> None:
    draft.set("training.batch_size", 3)
    draft.preset = "fast_test"
    assert draft.value("training.iterations") == 20
    assert draft.value("training.batch_size") == 3


def test_faults_stand_at_their_fields(draft: Draft) -> None:
    draft.set("training.iterations", 0)
    draft.set("optimizer.learning_rate", "quick")
    assert draft.faults() == {
        "training.iterations": "Must be 1 or more.",
        "optimizer.learning_rate": "Must be a number.",
    }


def test_a_fault_between_fields_stands_at_the_one_it_names_first(draft: Draft) -> None:
    draft.set("sampling.max_completion_length", 4096)
    assert list(draft.faults()) == ["sampling.max_completion_length"]


def test_a_fault_of_a_reward_names_its_place(draft: Draft) -> None:
    draft.set_rewards([{"type": "accuracy"}, {"type": "format", "pattern": "("}])
    assert list(draft.faults()) == ["rewards[2].pattern"]


def test_a_faulty_draft_makes_no_config(draft: Draft) -> None:
    draft.set("method.group_size", 1)
    with pytest.raises(UserError, match="group_size"):
        draft.config()


def test_no_reward_at_all_is_a_fault_of_the_rewards(draft: Draft) -> None:
    draft.set_rewards([])
    assert "rewards" in next(iter(draft.faults().values())).lower()


def test_it_survives_being_remembered(draft: Draft) -> None:
    draft.method = "dapo"
    draft.set("method.group_size", 4)
    draft.set_rewards([{"type": "length", "weight": 0.5, "target": 20}])
    again = Draft.from_values(json.loads(json.dumps(draft.to_values())))
    assert again.config() == draft.config()


def test_what_another_version_remembered_is_left_out() -> None:
    kept = {
        "method": "of_the_future",
        "values": {"training": {"iterations": 9, "sparkle": 1}, "galaxy": {"arm": 2}},
        "rewards": [{"type": "unheard_of"}],
    }
    draft = Draft.from_values(kept)
    assert draft.method == "grpo"
    assert draft.value("training.iterations") == 9
    assert draft.faults() == {}


def test_new_data_forget_the_old_ones_columns(draft: Draft) -> None:
    draft.set("data.mapping", {"prompt": "query"})
    draft.set_data("/elsewhere")
    assert draft.value("data.mapping") == {}


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("`max_completion_length` 9 leaves no room", "sampling.max_completion_length"),
        ("two rewards are called `accuracy`", ""),
        ("nothing named", ""),
    ],
)
def test_the_home_of_a_sentence(message: str, path: str) -> None:
    assert home_of(message) == path


def test_an_environment_is_one_of_a_kind_and_each_kind_keeps_its_values(draft: Draft) -> None:
    assert draft.config().environment is None
    draft.set_environment("tools")
    assert draft.faults() == {"environment.path": "Must be given."}
    draft.set("environment.path", "shop")
    draft.set("environment.max_turns", 3)
    draft.set_environment("reasoning_gym")
    assert draft.value("environment.max_turns") == 1
    draft.set_environment("tools")
    found = draft.config().environment
    assert found is not None
    assert (found.type, found.max_turns) == ("tools", 3)


def test_the_default_of_an_environments_setting_is_not_kept(draft: Draft) -> None:
    draft.set_environment("tools")
    draft.set("environment.max_turns", 3)
    draft.set("environment.max_turns", 6)
    assert not draft.changed("environment.max_turns")


def test_an_environment_that_judges_needs_no_reward(draft: Draft) -> None:
    assert [one["type"] for one in draft.rewards] == ["accuracy"]
    draft.set_environment("verifiers", {"id": "wordle"})
    assert draft.rewards == []
    assert draft.config().rewards == ()
    draft.set_environment("tools", {"path": "shop"})
    assert [one["type"] for one in draft.rewards] == ["accuracy"]


def test_an_environment_survives_being_remembered_taken_back_and_imported(draft: Draft) -> None:
    draft.set_environment("tools", {"path": "shop", "max_turns": 4})
    kept = json.loads(json.dumps(draft.to_values()))
    kept["environment_values"]["tools"]["unheard_of"] = 1
    kept["environment_values"]["gone"] = {"x": 1}
    again = Draft.from_values(kept)
    assert again.config().environment == draft.config().environment
    again.restore(Draft().to_values())
    assert again.config().environment is None
    again.take({"environment": {"type": "reasoning_gym", "tasks": {"chain_sum": {}}}})
    assert again.environment == "reasoning_gym"
    again.take({"method": "grpo"})
    assert again.environment == ""


def test_a_method_that_cannot_act_says_so_at_the_environment(draft: Draft) -> None:
    draft.set_environment("tools", {"path": "shop"})
    draft.method = "sft"
    assert list(draft.faults()) == ["environment"]
