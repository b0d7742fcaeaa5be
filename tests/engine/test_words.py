"""Numbers and text as people read them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (42, "42 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (1500, "25 min"),
        (7800, "2 h 10 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (1500, "2 KB"),
        (1_400_000, "1.4 MB"),
        (76e6, "76.0 MB"),
        (16e9, "16.0 GB"),
        (512e6, "512 MB"),
    ],
)
def test_sizes_are_the_finders(count: float, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.0125, "0.0125"), (0.00003, "3e-5"), (12345.6, "12,346"), (-0.5, "-0.5")],
)
def test_numbers(value: float, said: str) -> None:
    assert words.number(value) == said


def test_metrics_bring_their_unit() -> None:
    assert words.metric("eval/accuracy", 0.785) == "78.5%"
    assert words.metric("memory/peak_bytes", 8.4e8) == "840 MB"
    assert words.metric("kl", 0.0125) == "0.0125 nats"
    assert words.metric("reward", None) == "–"


def test_what_is_hidden_in_text_is_shown() -> None:
    assert words.literal("a\x1b[31mb\x00\u202ec\n\td") == "a␛[31mb␀⟨U+202E⟩c\n\td"


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_left_alone(text: str) -> None:
    assert words.literal(text) == text


@given(st.text())
def test_nothing_steers_the_direction_of_what_is_shown(text: str) -> None:
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\x1b\x07") & set(words.literal(text))


@pytest.mark.parametrize(("seconds", "said"), [(0.262, "0.26 s"), (4.23, "4.2 s"), (290, "4 min 50 s")])
def test_a_pace_is_told_in_units_that_people_read(seconds: float, said: str) -> None:
    assert words.pace(seconds) == said


def test_a_shortened_text_is_on_one_line_and_no_longer_than_asked() -> None:
    assert words.shortened(" one\n two\tthree ", 13) == "one two three"
    assert words.shortened("one two three", 12) == "one two t..."
    assert words.shortened("one two three", 12, "…") == "one two thr…"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
        (5 * 86400, "5 d"),
        (27 * 3600 + 14 * 60, "27 h"),
        (2 * 86400 - 60, "2 d"),
        (120.4 * 86400, "120 d"),
        (18082 * 86400 + 9 * 3600, "50 years"),
        (1e15, "more than 1,000 years"),
        (float("inf"), "more than 1,000 years"),
        (float("nan"), "more than 1,000 years"),
    ],
)
def test_long_times_are_told_coarsely(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_shares_are_whole_percents_unless_a_digit_more_is_told() -> None:
    assert [words.share(part, 1) for part in (0, 0.0004, 0.125, 0.89)] == ["0%", "under 0.1%", "12.5%", "89%"]
    assert [words.share(part) for part in (0, 0.004, 0.12, 1)] == ["0%", "under 1%", "12%", "100%"]


@pytest.mark.parametrize(
    "text",
    ["two and two are four. ", "二加二等于四。", "\x1b[31m\u202e"],
    ids=["plain", "Chinese", "steering"],
)
def test_a_megabyte_of_text_is_made_visible_in_no_time(text: str) -> None:
    long = text * (2**20 // len(text))
    before = time.thread_time()
    shown = words.literal(long)
    assert time.thread_time() - before < 0.3
    assert shown[: len(words.literal(text))] == words.literal(text)


def test_a_template_is_filled_at_once_so_that_values_may_hold_its_names() -> None:
    template = "{prompt} ({context}) {other} {}"
    assert (
        words.filled(template, prompt="Say {context}.", context="{prompt}")
        == "Say {context}. ({prompt}) {other} {}"
    )
