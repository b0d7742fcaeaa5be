"""A user's mistake is one sentence: what, where, what to do."""

from __future__ import annotations

from droid_tune.errors import UserError, abbreviated, missing_package


def test_place_message_value_and_remedy_make_one_sentence() -> None:
    error = UserError("`answer` is empty", place="train.jsonl:3", remedy="fill it in or delete the line.")
    assert str(error) == "train.jsonl:3: `answer` is empty; fill it in or delete the line."


def test_a_value_is_quoted_so_that_a_space_can_be_seen() -> None:
    assert str(UserError("the answer is no number", value=" 7x")) == "the answer is no number (found ' 7x')."


def test_a_sentence_stays_on_one_line() -> None:
    assert str(UserError("first\n  second.")) == "first second."


def test_a_long_value_keeps_both_ends() -> None:
    short = abbreviated("a" * 500 + "z", longest=11)
    assert short == "'aaa...aaz'"


def test_a_package_that_is_not_there_is_named_and_a_mistake_of_ours_is_not_hidden() -> None:
    said = missing_package(ModuleNotFoundError("No module named 'gguf.writer'", name="gguf.writer"))
    assert said.startswith(
        "The package `gguf`, which this needs, cannot be loaded (No module named 'gguf.writer')"
    )
    assert "pip install gguf" in said
    assert missing_package(ImportError("cannot import name 'x'", name="droid_tune.export")) == ""
    assert missing_package(ImportError("no name")) == ""
    assert missing_package(ValueError("gguf")) == ""


def test_a_value_that_fits_is_left_alone() -> None:
    assert abbreviated(12) == "12"
