"""The page: one file, nothing of a run's text taken for markup, and no other file written over."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import mlx.core as mx
import pytest

from droid_tune.cli import main
from droid_tune.config import resolve
from droid_tune.events import RunFinished
from droid_tune.forgetting import measure_general
from droid_tune.model.adapter_files import save_adapter
from droid_tune.model.loading import load_policy
from droid_tune.queue.run_queue import RunQueue
from droid_tune.report.general import FORGOTTEN, General, GeneralAnswer, general_rows, write_general
from droid_tune.report.markup import Html, tag, text
from droid_tune.report.page import page
from droid_tune.report.story import read_story
from droid_tune.report.svg_chart import Curve, chart, thinned, ticks
from droid_tune.runs.folder import create_run
from tests.engine.report.test_story import group, held_out, looked, training, write


class Outline(HTMLParser):
    """Which elements a page holds, and whether each one that opens is closed."""

    VOID = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose texts try to be markup."""
    evil = "<script>alert(1)</script>\u202e&amp;"
    folder = write(
        tmp_path / "run",
        *training([0.1, 0.4, 0.9] * 12),
        looked(0, 0.2),
        held_out(0, 1, evil, 1.0),
        looked(40, 0.8),
        held_out(40, 1, evil, 0.0),
        group(1, evil, 0.1),
        group(30, evil, 1.0, length=400),
    )
    answers = (GeneralAnswer(kind="facts", prompt=evil, tokens=4, before=1.0, after=1.5),)
    write_general(folder, General(step=40, answers=answers))
    return folder


def test_a_run_becomes_one_self_contained_page(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(out), "--no-model"]) == 0
    page = out.read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.open == []
    assert "script" not in outline.elements
    assert outline.elements.count("svg") == 2  # held-out accuracy and reward
    assert all(link.startswith("#") for link in outline.links), "nothing is read from elsewhere"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩&amp;amp;" in page
    assert "71% to 87%" in page
    assert "That is more than chance." in page
    assert "400 tokens, 10.0 times as long as at the start" in page
    assert "General answers became less likely by 0.50 nats a token: something was forgotten." in page
    assert "1 held-out prompt of 1 shown were answered better before." in page


@pytest.mark.parametrize(
    ("after", "said"), [(1.05, "as likely as before (within 0.1"), (0.4, "became more likely by 0.60 nats")]
)
def test_general_answers_that_did_not_get_worse_are_told_as_that(after: float, said: str, run: Path) -> None:
    answers = (GeneralAnswer(kind="facts", prompt="a", tokens=4, before=1.0, after=after),)
    assert said in page("x", [replace(read_story(run), general=General(step=40, answers=answers))])


def test_energy_is_told_where_the_system_told_it(run: Path) -> None:
    story = read_story(run)
    assert "Energy" not in page("x", [story])
    drew = replace(story, summary=replace(story.summary, joules=7200.0))
    told = page("x", [story, drew])
    assert '<th class="number">Energy</th>' in told
    assert '<td class="number">–</td></tr>' in told
    assert '<td class="number">2 Wh</td></tr>' in told


def test_the_night_is_one_page(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = RunQueue()
    for name in "ab":
        added = queue.add(resolve({"name": name}))
        if name == "a":
            queue.write(added.changed(state="completed", run=str(run)))
    assert main(["report", "--queue", "--no-model", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["before"] == {
        "step": 0,
        "value": 0.2,
        "rows": 100,
        "bounds": pytest.approx([0.133, 0.289], abs=1e-3),
    }
    assert told["general"] == {"before": 1.0, "after": 1.5}
    assert told["suspicious"][0]["step"] == 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report"], "name runs, or `--queue`"),
        (["report", "--queue", "some-run"], "name runs, or `--queue`"),
        (["report", "--queue"], "No run of the queue has begun yet"),
        (["report", "unknown"], "There is no run `unknown`"),
        (["report", "{run}", "--out", "{folder}"], "is a folder"),
        (["report", "{run}", "--out", "{folder}/mine.html"], "exists and is no page of ours"),
        (["report", "{run}", "--out", "{folder}/no/such/page.html"], "is no folder"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], said: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    named = [word.format(run=run, folder=tmp_path) for word in words]
    assert main([*named, "--no-model"] if "{run}" in words else named) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert (tmp_path / "mine.html").read_text() == "<p>mine</p>"


def test_a_page_of_ours_is_written_again(run: Path, tmp_path: Path) -> None:
    words = ["report", str(run), "--out", str(tmp_path / "report.html"), "--no-model"]
    assert main(words) == 0
    assert main(words) == 0


def test_a_run_that_cannot_be_read_costs_no_earlier_page(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    words = ["report", str(run), "--out", str(out), "--no-model"]
    assert main(words) == 0
    page = out.read_bytes()
    (run / "events.jsonl").rename(tmp_path / "kept")
    (run / "events.jsonl").mkdir()  # as a broken disk: it is there, and is not read
    assert main(words) == 1
    assert "log cannot be read" in capsys.readouterr().err
    assert out.read_bytes() == page
    out.unlink()
    assert main(words) == 1
    assert not out.exists()


def test_markup_is_only_what_was_made_as_such() -> None:
    assert tag("p", "a < b", tag("b", "&"), title='"') == '<p title="&quot;">a &lt; b<b>&amp;</b></p>'
    assert text(Html("<i>")) == "<i>"


def test_a_curve_is_thinned_without_losing_a_peak() -> None:
    points = [(float(step), 5.0 if step == 777 else 0.0) for step in range(2000)]
    kept = thinned(points, 100)
    assert len(kept) <= 102
    assert (777.0, 5.0) in kept


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (0.108, 0.992, [0.2, 0.4, 0.6, 0.8]),
        (0.0, 400.0, [0.0, 100.0, 200.0, 300.0, 400.0]),
        (-1e-5, 1e-5, [-1e-5, -5e-6, 0.0, 5e-6, 1e-5]),
        (0.29, 0.31, [0.29, 0.295, 0.3, 0.305, 0.31]),
    ],
)
def test_ticks_are_round(least: float, most: float, expected: list[float]) -> None:
    assert ticks(least, most, 4) == pytest.approx(expected)


def test_a_constant_or_single_value_is_drawn() -> None:
    for points in ([(0.0, 0.3)], [(0.0, 3e-4), (5.0, 3e-4)], [(1.0, 0.0)]):
        drawn = chart("x", [Curve("x", points)])
        assert drawn.count("<polyline") == 1
        assert "nan" not in drawn
    assert chart("nothing", [Curve("x", [])]) == ""


def test_curves_differ_in_more_than_hue_and_the_legend_says_how() -> None:
    drawn = chart("five", [Curve(name, [(0.0, 0.3), (1.0, 0.4)]) for name in "abcde"])
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)"', drawn))) == 5
    assert len(set(re.findall(r"<b style=[^>]*>([^<]*)</b>", drawn))) == 5


def test_the_general_set_is_read_and_no_prompt_stands_in_it_twice() -> None:
    rows = general_rows()
    assert len({row.prompt for row in rows}) == len(rows) == 24
    assert len({row.kind for row in rows}) == 6


def test_forgetting_is_nothing_without_training_and_grows_with_damage(tmp_path: Path) -> None:
    config = resolve({"adapter": {"rank": 2, "layers": 1}})
    folder = create_run(config, tmp_path / "run")
    policy = load_policy("starter", config.adapter)
    save_adapter(policy, folder)
    untouched = measure_general(folder)
    assert len(untouched.answers) == 24
    assert untouched.after == untouched.before
    damaged = {name: array + 0.5 for name, array in policy.trainable().items()}
    policy.model.load_weights(list(damaged.items()), strict=False)
    mx.eval(policy.model.parameters())
    save_adapter(policy, folder)
    found = measure_general(folder)
    assert found.before == pytest.approx(untouched.before, abs=1e-5)
    assert abs(found.after - found.before) > FORGOTTEN


@pytest.mark.parametrize(("after", "forgotten"), [(1.05, False), (1.2, True), (0.5, False)])
def test_a_tenth_of_a_nat_is_forgetting(after: float, forgotten: bool) -> None:
    """(1 x 1.0 + 3 x after) against 4 x 1.0, over four tokens."""
    answers = (
        GeneralAnswer(kind="facts", prompt="a", tokens=1, before=1.0, after=1.0),
        GeneralAnswer(kind="code", prompt="b", tokens=3, before=1.0, after=after),
    )
    found = General(step=1, answers=answers)
    assert found.has_forgotten is forgotten
    assert found.after == pytest.approx((1 + 3 * after) / 4)


def test_what_was_measured_of_the_same_weights_is_not_measured_again(tmp_path: Path) -> None:
    """No model could be loaded here: the weights are empty files."""
    folder = write(tmp_path / "run", RunFinished(outcome="completed", step=40))
    for name in ("adapters.safetensors", "adapter_config.json"):
        (folder / name).touch()
    known = General(step=40, answers=())
    write_general(folder, known)
    assert measure_general(folder) == known


@pytest.mark.parametrize(
    ("evaluations", "said"),
    [((0.2,), "on held-out rows again since it began."), ((), "It was not evaluated on held-out rows.")],
)
def test_a_run_without_a_later_evaluation_is_told_of_as_it_was(
    evaluations: tuple[float, ...], said: str, tmp_path: Path
) -> None:
    run = write(tmp_path / "run", *training([0.1, 0.4]), *(looked(0, one) for one in evaluations))
    out = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(out), "--no-model"]) == 0
    assert said in out.read_text(encoding="utf-8")
