"""Setup's Tools and turns: kinds, their settings, faults as sentences, the bundled example in one press."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from droid_tune import words
from droid_tune.config.environments import ENVIRONMENT_CONFIGS
from droid_tune.errors import UserError
from tests.ui.fake_engine import FakeEngine
from ui.form.fields import specs_of
from ui.frame.help_window import help_topics
from ui.main_window import MainWindow
from ui.panes.setup.choices.environment_choice import EnvironmentChoice
from ui.panes.setup.pane import SetupPane


@pytest.fixture
def pane(window: MainWindow) -> SetupPane:
    window.show_pane("setup")
    found = window.pane("setup")
    assert isinstance(found, SetupPane)
    return found


def choice(pane: SetupPane) -> EnvironmentChoice:
    return pane.findChildren(EnvironmentChoice)[0]


def press(inside: QWidget, text: str) -> None:
    next(one for one in inside.findChildren(QPushButton) if one.text() == text).click()
    QApplication.processEvents()  # what came into the layout is shown by the event loop


def shown_texts(widget: QWidget) -> list[str]:
    return [one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget)]


@pytest.mark.parametrize("kind", list(ENVIRONMENT_CONFIGS))
def test_each_kind_has_its_settings_and_what_it_is_in_words(pane: SetupPane, kind: str) -> None:
    config = ENVIRONMENT_CONFIGS[kind]
    press(choice(pane), config.label)
    assert pane.session.draft.environment == kind
    assert words.quoted(config.summary) in shown_texts(choice(pane))
    shown = shown_texts(choice(pane))
    assert {spec.title for spec in specs_of(config, "environment") if not spec.advanced} <= set(shown)


def test_what_a_kind_alone_has_stands_first(pane: SetupPane) -> None:
    press(choice(pane), "Functions as tools")
    shown = shown_texts(choice(pane))
    assert shown.index("File") < shown.index("Most turns")


def test_none_takes_the_environment_out_again(pane: SetupPane) -> None:
    press(choice(pane), "Functions as tools")
    press(choice(pane), "None")
    assert pane.session.draft.config().environment is None
    assert "File" not in shown_texts(choice(pane))


def test_a_file_that_is_missing_is_said_at_its_field_and_in_the_footer(pane: SetupPane) -> None:
    press(choice(pane), "Functions as tools")
    assert "Must be given." in shown_texts(choice(pane))
    assert pane._footer.summary.text() == "Functions as tools, File: Must be given."
    assert pane.point_out()
    assert pane.session.draft.faults()


def test_a_chosen_file_is_the_setting(
    pane: SetupPane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "tools.py")
    Path(file).write_text("def now() -> str:\n    'The time.'\n    return 'noon'\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (file, ""))
    press(choice(pane), "Functions as tools")
    press(choice(pane), "File…")
    assert pane.session.draft.value("environment.path") == file
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    press(choice(pane), "OpenEnv")
    press(choice(pane), "Folder…")
    assert pane.session.draft.value("environment.server") == str(tmp_path)


def test_the_file_button_is_there_for_kinds_of_files_alone(pane: SetupPane) -> None:
    def offered() -> bool:
        return next(
            one for one in choice(pane).findChildren(QPushButton) if one.text() == "File…"
        ).isVisibleTo(choice(pane))

    assert not offered()
    press(choice(pane), "Environment class")
    assert offered()
    press(choice(pane), "verifiers")
    assert not offered()


def test_one_press_takes_the_bundled_example_whole(pane: SetupPane, qtbot: QtBot) -> None:
    press(choice(pane), "Bundled Example")
    config = pane.session.draft.config()
    assert (config.model.path, config.data.path) == ("tools-starter", "tools-sample")
    assert config.environment is not None
    assert (config.environment.type, config.method.type) == ("tools", "grpo")
    assert pane.session.draft.faults() == {}
    assert "Shop questions" in shown_texts(pane.page.data)
    assert "episodes of up to 3 turns" in pane._footer.summary.text()


def test_a_method_that_imitates_has_no_such_section_and_says_why_where_one_was_chosen(
    pane: SetupPane,
) -> None:
    pane.edits.choose_method("sft")
    assert not choice(pane).isVisibleTo(pane)
    pane.edits.choose_method("grpo")
    press(choice(pane), "Bundled Example")
    pane.edits.choose_method("sft")
    assert choice(pane).isVisibleTo(pane)
    assert any("sft does not" in text for text in shown_texts(choice(pane)))
    assert pane._footer.summary.text().startswith("Tools and turns: ")


def test_what_tools_and_turns_are_is_told_in_the_section_and_in_the_help(pane: SetupPane) -> None:
    press(choice(pane), "About tools and turns")
    assert any("*episode*" in text for text in shown_texts(choice(pane)))
    assert help_topics()["tools_and_turns"] == "Tools and turns"


def test_the_tools_that_were_found_are_listed(pane: SetupPane, qtbot: QtBot) -> None:
    press(choice(pane), "Bundled Example")
    told = "price(item): The price of an item in cents.\nmultiply(a, b): The product of two numbers."
    qtbot.waitUntil(lambda: told in shown_texts(choice(pane)))
    press(choice(pane), "None")
    assert told not in shown_texts(choice(pane))


def test_an_environment_of_a_package_is_looked_into_too(pane: SetupPane, qtbot: QtBot) -> None:
    press(choice(pane), "verifiers")
    pane.edits.edit("environment.id", "tiny-env")
    qtbot.waitUntil(lambda: any(text.startswith("price(item)") for text in shown_texts(choice(pane))))


def test_what_was_chosen_is_told_by_what_it_is_not_by_its_file(pane: SetupPane) -> None:
    told: list[str] = []
    pane.session.told.connect(lambda _level, said, _notes: told.append(said))
    press(choice(pane), "Bundled Example")
    assert told == [
        "The bundled example of tools and turns was chosen: its model, its questions and its tools."
    ]


def test_what_cannot_be_used_is_one_sentence_until_it_is_mended(
    pane: SetupPane, engine: FakeEngine, qtbot: QtBot
) -> None:
    why = "The environment's file has the function “now” without a docstring; mend it."
    engine.failure = UserError(why.replace("“", "`").replace("”", "`"))
    press(choice(pane), "Bundled Example")
    qtbot.waitUntil(lambda: any(why in text for text in shown_texts(choice(pane))))
    assert pane._footer.summary.text() == why  # at the foot too, and nothing says that it fits
    pane._footer.forecast.show_fault("An answer that was on its way.")
    assert not pane._footer.forecast.isVisibleTo(pane)
    pane._footer.say_ready("Train")
    assert pane._footer.forecast.isVisibleTo(pane)
    pane._go_to_fault()
    assert pane.window().focusWidget() is choice(pane)._group.rows["environment.path"].editor.focusProxy()
    engine.failure = None
    pane.edits.edit("environment.max_turns", 4)
    qtbot.waitUntil(lambda: any(text.startswith("price(item)") for text in shown_texts(choice(pane))))
    assert not any(why in text for text in shown_texts(choice(pane)))
    assert "episodes of up to 4 turns" in pane._footer.summary.text()
