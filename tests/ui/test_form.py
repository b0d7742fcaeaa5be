"""The form says what the config says, and faults where they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from droid_tune.config.environments import ReasoningGymEnvironment, VerifiersEnvironment
from droid_tune.config.model_and_data import AdapterConfig, DataConfig
from droid_tune.config.recipes.methods import DAPOConfig, GRPOConfig
from droid_tune.config.rewards import REWARD_CONFIGS
from droid_tune.config.run import SECTIONS, RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.training_config import OptimizerConfig
from droid_tune.model_files.found import module_names
from ui.form.fields import FieldSpec, as_text, from_text, spec_of, specs_of
from ui.form.form import SettingRow, SettingsGroup
from ui.form.word_lists import join_words, split_words
from ui.main_window import MainWindow
from ui.panes.setup.reward_list import RewardList, fresh_reward
from ui.panes.setup.settings_form import default_words
from ui.session import Session


def spec(model: Any, name: str) -> FieldSpec:
    return spec_of(f"section.{name}", model.model_fields[name])


def test_a_field_brings_its_title_help_bounds_and_unit() -> None:
    found = spec(SamplingConfig, "max_completion_length")
    assert (found.title, found.unit, found.kind) == ("Longest completion", "tokens", "number")
    assert found.whole
    assert found.bounds == "1 to 65,536"
    assert found.help


@pytest.mark.parametrize(
    ("model", "name", "kind"),
    [
        (AdapterConfig, "type", "choice"),
        (OptimizerConfig, "learning_rate", "number"),
        (GRPOConfig, "use_bias_correction_kl", "switch"),
        (SamplingConfig, "stop_strings", "words"),
        (DataConfig, "mapping", "pairs"),
        (DataConfig, "system_prompt", "text"),
        (ReasoningGymEnvironment, "tasks", "table"),
        (VerifiersEnvironment, "args", "table"),
    ],
)
def test_the_kind_follows_the_annotation(model: Any, name: str, kind: str) -> None:
    assert spec(model, name).kind == kind


def test_every_setting_of_a_run_has_a_title_and_a_help_text() -> None:
    bare = [
        found.path
        for section in SECTIONS
        if section != "method"
        for found in specs_of(RunConfig.model_fields[section].annotation, section)  # pyright: ignore
        if not found.help
    ]
    assert bare == []
    assert [found.path for found in specs_of(DAPOConfig, "method") if not found.help] == []


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.0002, "number", "0.0002"),
        (1e-5, "number", "1e-5"),
        (3e-4, "number", "0.0003"),
        (200, "number", "200"),
        (None, "number", ""),
        (("a", "b"), "words", "a, b"),
        (("one, two", "\n\n", 'say "x"'), "words", r'"one, two", "\n\n", "say \"x\""'),
        ({"prompt": "query"}, "pairs", "prompt: query"),
        ({"chain_sum": {"max_terms": 3}, "maze": {}}, "table", "chain_sum: {max_terms: 3}, maze: {}"),
        ({}, "table", ""),
    ],
)
def test_values_stand_as_a_person_writes_them(value: Any, kind: Any, text: str) -> None:
    assert as_text(value, kind) == text


def test_text_that_is_no_number_stays_for_validation_to_name() -> None:
    assert from_text("many", spec(GRPOConfig, "group_size")) == "many"
    assert from_text("1e-5", spec(OptimizerConfig, "learning_rate")) == 1e-5
    assert from_text("", spec(OptimizerConfig, "learning_rate")) is None
    assert from_text("</a>, END", spec(SamplingConfig, "stop_strings")) == ["</a>", "END"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("chain_sum: {max_terms: 3}, maze", {"chain_sum": {"max_terms": 3}, "maze": {}}),
        ("", {}),
        ("chain_sum: {max", "chain_sum: {max"),
        ("}, {", "}, {"),
        ("!!python/object:os.system x", "!!python/object:os.system x"),
    ],
)
def test_a_table_of_settings_is_read_as_yaml_writes_it_and_stays_text_where_it_is_none(
    text: str, value: Any
) -> None:
    assert from_text(text, spec(ReasoningGymEnvironment, "tasks")) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"one, two", three', ["one, two", "three"]),
        (r'"\n\n", \d', ["\n\n", r"\d"]),
        (r'"\d"', [r"\d"]),
        ("a,, b,", ["a", "b"]),
        ('a "b", c', ['a "b"', "c"]),
        ('"not closed, c', ['"not closed', "c"]),
        ("", []),
    ],
)
def test_quotes_hold_a_text_together(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.lists(st.text()))
def test_texts_of_a_list_come_back_as_they_were_shown(words: list[str]) -> None:
    assert split_words(join_words(words)) == words


def test_the_advanced_rows_are_made_when_their_fold_opens(qtbot: QtBot) -> None:
    group = SettingsGroup("Sampling", specs_of(SamplingConfig, "sampling"), None)  # pyright: ignore
    qtbot.addWidget(group)
    assert "sampling.top_p" not in group.rows
    assert group.reveal("sampling.top_p") is not None
    assert "sampling.top_p" in group.rows


def test_typing_a_wrong_value_says_so_next_to_the_field(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    row = pane.page.settings.groups["training"].rows["training.iterations"]
    field = row.findChild(QLineEdit)
    field.selectAll()
    qtbot.keyClicks(field, "0")
    qtbot.waitUntil(lambda: row.fault != "")
    assert row.fault == "Must be 1 or more."
    assert pane._footer.summary.text() == "Training, Steps: Must be 1 or more."
    field.selectAll()
    qtbot.keyClicks(field, "12")
    qtbot.waitUntil(lambda: row.fault == "")
    assert "12 steps" in pane._footer.summary.text()


def test_the_reset_button_brings_the_default_back(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    draft = window.session.draft
    draft.set("training.iterations", 7)
    window.session.draft_changed.emit()
    row = pane.page.settings.groups["training"].rows["training.iterations"]
    assert row._changed.isEnabled()
    qtbot.mouseClick(row._changed, Qt.MouseButton.LeftButton)
    assert not draft.changed("training.iterations")
    assert not row._changed.isEnabled()


def test_another_method_brings_its_own_settings(window: MainWindow, qtbot: QtBot) -> None:
    window.show_pane("setup")
    pane = window.pane("setup")
    pane.edits.choose_method("sft")
    assert "method.packing" in pane.page.settings.groups["method"].paths()
    assert not pane.page.rewards.isVisible()
    pane.edits.choose_method("grpo")
    assert "method.group_size" in pane.page.settings.groups["method"].rows
    assert pane.page.rewards.isVisible()


@pytest.mark.parametrize("kind", list(REWARD_CONFIGS))
def test_every_reward_has_a_card_with_its_options(qtbot: QtBot, kind: str) -> None:
    rewards = RewardList(None)  # pyright: ignore
    qtbot.addWidget(rewards)
    rewards.show_rewards([fresh_reward(kind, [])])
    rewards.show_faults({"rewards[1].weight": "Must be at most 1,000.", "rewards[1].name": "Too long."})
    card = rewards._cards[0]
    assert card._weight_fault.text() == "Must be at most 1,000."
    assert "name" in card._rows


def test_a_second_reward_of_a_kind_gets_a_name_of_its_own() -> None:
    assert fresh_reward("format", ["accuracy"]) == {"type": "format", "weight": 1.0}
    assert fresh_reward("format", ["format"])["name"] == "format_2"
    assert fresh_reward("format", ["format", "format_2"])["name"] == "format_3"


def test_the_chosen_models_own_modules_are_offered_for_the_last_word(qtbot: QtBot) -> None:
    names = module_names("starter")
    assert "self_attn.q_proj" in names
    assert module_names("/no/such/model") == []
    page = QWidget()
    qtbot.addWidget(page)
    shown = SettingRow(spec(AdapterConfig, "target_modules"), page)
    shown.offer(names)
    told: list[object] = []
    shown.edited.connect(lambda _, value: told.append(value))
    field = shown.findChild(QLineEdit)
    assert field is not None
    completer = field.completer()
    assert completer is not None
    assert "self_attn.q_proj" in shown.editor.toolTip()
    field.setText("mlp.up_proj, q_p")
    completer.setCompletionPrefix(completer.splitPath(field.text())[0])
    assert completer.completionCount() == 1
    text = completer.pathFromIndex(completer.completionModel().index(0, 0))
    assert text == "mlp.up_proj, self_attn.q_proj"
    completer.activated.emit(text)
    assert told == [["mlp.up_proj", "self_attn.q_proj"]]


def test_the_empty_learning_rate_says_what_it_stands_for(session: Session) -> None:
    session.draft.set_model("someone/some-model")
    assert default_words(session.draft, "optimizer.learning_rate") == "1e-5"
    session.draft.set("adapter.type", "full")
    assert default_words(session.draft, "optimizer.learning_rate") == "1e-6"
