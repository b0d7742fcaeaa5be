"""Rows whose answers are judged: which formats hold them, what is shown of them, which are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.data.lens import Lens, QuickLens
from droid_tune.data.rendering.looking_through import Findings
from droid_tune.data.rendering.shown import show_row
from droid_tune.data.templates import TemplateOptions
from droid_tune.data.validate import validate
from droid_tune.model.loading import load_model_tokenizer
from droid_tune.paths import starter_model_dir

HI = {"role": "user", "content": "Hi"}
HUMAN = "\n\nHuman: Hi\n\nAssistant: "


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def read(folder: Path, row: dict[str, Any], method: str) -> dict[str, Any]:
    """The row as training sees it, without what is empty."""
    found = open_dataset(written(folder, [row]), method).train.row(0)
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}, "preference"),
        ({"instruction": "Hi", "chosen": "Hello!", "rejected": "What?"}, "instruction_preference"),
        (
            {
                "chosen": [HI, {"role": "assistant", "content": "Hello!"}],
                "rejected": [HI, {"role": "assistant", "content": "What?"}],
            },
            "whole_preference",
        ),
        ({"chosen": HUMAN + "Hello!", "rejected": HUMAN + "What?"}, "whole_preference"),
        (
            {"messages": [HI, {"role": "assistant", "content": "Hello!"}], "rejected_response": "What?"},
            "answered_preference",
        ),
        (
            {
                "messages": [HI, {"role": "assistant", "content": "Hello!"}],
                "rejected_messages": [HI, {"role": "assistant", "content": "What?"}],
            },
            "answered_preference",
        ),
    ],
)
def test_pairs_are_recognised_and_come_to_the_same(tmp_path: Path, row: dict[str, Any], name: str) -> None:
    report = validate(written(tmp_path, [row]), "dpo")
    assert report.files[0].format == name
    found = read(tmp_path, row, "dpo")
    asked = found["prompt"] if isinstance(found["prompt"], str) else found["prompt"][-1]["content"]
    assert (asked, found["chosen"], found["rejected"]) == ("Hi", "Hello!", "What?")


HELLO, WHAT = ({"role": "assistant", "content": text} for text in ("Hello!", "What?"))
SYSTEM, AGAIN = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Again."}
WHOLE = {"chosen": [HI, HELLO], "rejected": [HI, WHAT]}


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "Hi", **WHOLE}, [HI]),
        ({"prompt": "Hi", "messages": [HI, HELLO], **WHOLE}, [HI]),  # the form of UltraFeedback
        ({"messages": [HI, HELLO], "chosen": "Hello!", "rejected": "What?"}, [HI]),
        ({"prompt": [SYSTEM, HI], **WHOLE}, [SYSTEM, HI]),
        ({"prompt": [HI], "chosen": [SYSTEM, HI, HELLO], "rejected": [SYSTEM, HI, WHAT]}, [SYSTEM, HI]),
        (
            {"prompt": "Hi", "chosen": [HI, WHAT, AGAIN, HELLO], "rejected": [HI, WHAT, AGAIN, WHAT]},
            [HI, WHAT, AGAIN],
        ),
        ({"prompt": HUMAN, "chosen": HUMAN + "Hello!", "rejected": HUMAN + "What?"}, [HI]),
        ({"prompt": "Hi", **WHOLE, "reference": [HI, HELLO]}, [HI]),
        # one side alone repeats the prompt
        ({"prompt": "Hi", "chosen": [HI, HELLO], "rejected": "What?"}, "Hi"),
        ({"prompt": [SYSTEM, HI], "chosen": "Hello!", "rejected": [HI, WHAT]}, [SYSTEM, HI]),
    ],
)
def test_an_answer_that_begins_with_its_prompt_is_what_follows_it(
    tmp_path: Path, row: dict[str, Any], prompt: list[Any]
) -> None:
    for method in ("dpo", "grpo"):
        found = read(tmp_path, row, method)
        assert (found["prompt"], found["answer"]) == (prompt, "Hello!")
    found = read(tmp_path, row, "tpo" if "reference" in row else "dpo")
    assert (found["chosen"], found["rejected"]) == ("Hello!", "What?")
    assert found.get("reference", "Hello!") == "Hello!"


@pytest.mark.parametrize(
    ("method", "beside"), [("dpo", {"rejected_response": "What?"}), ("kto", {"label": True})]
)
@pytest.mark.parametrize("turns", [[HI, HELLO, AGAIN], [HELLO]])
def test_a_conversation_that_is_judged_ends_with_an_answer(
    tmp_path: Path, method: str, beside: dict[str, Any], turns: list[Any]
) -> None:
    report = validate(written(tmp_path, [{"messages": turns, **beside}]), method)
    (issue,) = report.issues
    assert (issue.reason, issue.field) == ("no_assistant_turn", "messages")
    asked = read(tmp_path, {"messages": [HI, HELLO, AGAIN], **beside}, "grpo")
    assert asked["prompt"] == [HI, HELLO, AGAIN]


SHORT = {"role": "system", "content": "Be short."}


@pytest.mark.parametrize(
    ("row", "chosen", "rejected"),
    [
        (
            {"chosen": [SYSTEM, HI, HELLO], "rejected": [SHORT, HI, WHAT]},
            [SYSTEM, HI, HELLO],
            [SHORT, HI, WHAT],
        ),
        ({"chosen": [HI, HELLO], "rejected": [SYSTEM, HI, WHAT]}, [HI, HELLO], [SYSTEM, HI, WHAT]),
        (
            {"prompt": "Hi", "chosen": [SYSTEM, HI, HELLO], "rejected": [HI, WHAT]},
            [SYSTEM, HI, HELLO],
            [HI, WHAT],
        ),
        (
            {"prompt": [SYSTEM, HI], "chosen": [SHORT, HI, HELLO], "rejected": [HI, WHAT]},
            [SHORT, HI, HELLO],
            [SYSTEM, HI, WHAT],
        ),
        (
            {"prompt": [SYSTEM, HI], "chosen": [SHORT, HI, HELLO], "rejected": "What?"},
            [SHORT, HI, HELLO],
            [SYSTEM, HI, WHAT],
        ),
    ],
)
def test_each_side_of_a_pair_keeps_its_own_system_text(
    tmp_path: Path, row: dict[str, Any], chosen: list[Any], rejected: list[Any]
) -> None:
    """They vanished in silence where the sides had different ones."""
    found = read(tmp_path, row, "dpo")
    assert (found["prompt"], found["chosen"], found["rejected"]) == ([], chosen, rejected)


def test_a_pair_beside_its_conversation_is_imitated_as_the_conversation(tmp_path: Path) -> None:
    row = {"messages": [HI, HELLO], "rejected_response": "What?"}
    assert read(tmp_path, row, "sft")["messages"] == [HI, HELLO]


def test_turns_that_go_on_behind_a_prompt_are_kept(tmp_path: Path) -> None:
    row = {"prompt": [HI, HELLO], "chosen": [AGAIN, HELLO], "rejected": [AGAIN, WHAT]}
    found = read(tmp_path, row, "dpo")
    assert (found["prompt"], found["chosen"]) == ([HI, HELLO], [AGAIN, HELLO])


@pytest.mark.parametrize(("method", "verdict"), [("sft", {}), ("kto", {"label": True})])
def test_a_completion_that_begins_with_its_prompt_is_what_follows_it(
    tmp_path: Path, method: str, verdict: dict[str, Any]
) -> None:
    found = read(tmp_path, {"prompt": [HI], "completion": [SYSTEM, HI, HELLO], **verdict}, method)
    assert (found["prompt"], found["completion"]) == ([SYSTEM, HI], [HELLO])


def test_the_context_of_an_instruction_is_read(tmp_path: Path) -> None:
    row = {"instruction": "Who?", "context": "Ann sang.", "response": "Ann", "category": "closed_qa"}
    assert read(tmp_path, row, "sft")["prompt"] == "Who?\n\nAnn sang."


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (True, False),
        (1, 0),
        (1, -1),
        (1.0, 0.0),
        ("true", "False"),
        ("Good", "bad"),
        ("1.0", "-1"),
        ("yes", "no"),
    ],
)
def test_a_verdict_may_be_written_in_several_ways(tmp_path: Path, good: object, bad: object) -> None:
    for label, meant in ((good, True), (bad, False)):
        row = {"prompt": "Hi", "completion": "Hello!", "label": label}
        assert read(tmp_path, row, "kto") == {"prompt": "Hi", "answer": "Hello!", "label": meant}


@pytest.mark.parametrize("label", [0.5, 3, "so so", None])
def test_a_label_that_says_neither_is_named_where_verdicts_are_needed(tmp_path: Path, label: object) -> None:
    row = {"prompt": "Hi", "completion": "Hello!", "label": label}
    fault = validate(written(tmp_path, [row]), "kto").files[0].error
    assert fault is not None
    assert fault.message.endswith(
        "; `label` would say it, if it were true (a good answer) or false (a bad one)."
    )


def test_sides_that_answer_different_questions_are_told(tmp_path: Path) -> None:
    tokenizer = load_model_tokenizer(starter_model_dir())
    other = {"chosen": [HI, HELLO], "rejected": [AGAIN, WHAT]}
    later = {"chosen": [HI, HELLO, AGAIN, HELLO], "rejected": [HI, WHAT, HI, HELLO]}
    for row, told in ((other, True), (later, False)):
        shown = show_row(
            tokenizer, open_dataset(written(tmp_path, [row]), "dpo").train.row(0), TemplateOptions(), "dpo"
        )
        assert any("different questions" in note for note in shown.notes) == told


def test_the_last_turn_of_a_chat_with_a_label_is_judged(tmp_path: Path) -> None:
    row = {"messages": [HI, {"role": "assistant", "content": "Go away."}], "label": False}
    found = read(tmp_path, row, "kto")
    assert (found["prompt"], found["answer"], found["label"]) == ([HI], "Go away.", False)


def test_a_label_that_is_no_verdict_is_refused_in_words(tmp_path: Path) -> None:
    good = {"prompt": "Hi", "completion": "Hello!", "label": True}
    report = validate(written(tmp_path, [good, {**good, "label": "so so"}]), "kto")
    (issue,) = [one for one in report.issues if one.severity == "error"]
    assert issue.line == 2
    assert issue.message == (
        "`label` must be true (a good answer) or false (a bad one), but it is text; write true or false."
    )


def test_a_label_of_another_kind_leaves_rows_prompts_and_completions(tmp_path: Path) -> None:
    row = {"prompt": "Hi", "completion": "Hello!", "label": "greeting"}
    assert validate(written(tmp_path, [row])).files[0].format == "prompt_completion"


def test_text_sides_without_speakers_still_lack_their_prompt(tmp_path: Path) -> None:
    report = validate(written(tmp_path, [{"question": "Hi", "chosen": "Hello!", "rejected": "What?"}]), "dpo")
    assert not report.usable
    mapped = validate(
        written(tmp_path, [{"question": "Hi", "chosen": "Hello!", "rejected": "What?"}]),
        "dpo",
        {"prompt": "question"},
    )
    assert mapped.usable


def test_both_answers_are_shown_with_what_is_learnt(tmp_path: Path) -> None:
    tokenizer = load_model_tokenizer(starter_model_dir())
    row = read(tmp_path, {"prompt": "Hi", "chosen": "Yes.", "rejected": "No."}, "dpo")
    shown = show_row(tokenizer, row, TemplateOptions(), "dpo")
    learnt = {
        part.name: tokenizer.decode([t for t, own in zip(part.tokens, part.learnt, strict=True) if own])
        for part in shown.parts
    }
    assert learnt == {"chosen": "Yes.<|end|>", "rejected": "No.<|end|>"}
    assert [one["name"] for one in shown.to_json()["answers"]] == ["chosen", "rejected"]


def test_a_pair_measures_as_two_sequences(tmp_path: Path) -> None:
    tokenizer = load_model_tokenizer(starter_model_dir())
    row = read(tmp_path, {"prompt": "Hi", "chosen": "Yes.", "rejected": "No."}, "dpo")
    chosen, rejected = Lens.for_method("dpo", tokenizer).measure(row).sequences
    assert chosen.read == rejected.read
    assert chosen.learnt > 0


def test_tpo_asks_for_a_gold_answer(tmp_path: Path) -> None:
    tokenizer = load_model_tokenizer(starter_model_dir())
    row = read(tmp_path, {"prompt": "Hi", "chosen": "Yes.", "rejected": "No."}, "tpo")
    error = show_row(tokenizer, row, TemplateOptions(), "tpo").error
    assert error == "The row has no `reference` answer; add it, or remove the row."


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_the_shared_pairs_are_read(shared_dir: Path, method: str) -> None:
    for place in (
        "preference/en.jsonl",
        "preference/zh.jsonl",
        "instruction/instruction-data-with-preference.json",
    ):
        report = validate(shared_dir / "data" / place, method)
        assert report.usable, place
        assert report.rejected == 0, place


def test_a_quick_look_counts_an_answer_up_to_where_it_is_cut() -> None:
    class Letters:
        def encode(self, text: str, *, add_special_tokens: bool = True) -> Any:
            return SimpleNamespace(ids=list(text))

    row = {"prompt": "abcd", "chosen": "e" * 10, "rejected": "fg"}
    lens = QuickLens(Letters(), imitated=True, judged=2, cut=True, limit=8)
    assert [(one.read, one.learnt) for one in lens.measure(row).sequences] == [(4, 4), (4, 2)]
    assert QuickLens(Letters(), imitated=True, judged=2, limit=8).measure(row).longest == 14


def test_answers_that_lose_their_ends_are_counted(tmp_path: Path) -> None:
    tokenizer = load_model_tokenizer(starter_model_dir())
    lens = replace(Lens.for_method("dpo", tokenizer), cut=True, limit=12)
    found = Findings(2)
    found.add(0, read(tmp_path, {"prompt": "Hi", "chosen": "Yes. " * 20, "rejected": "No."}, "dpo"), lens)
    found.add(1, read(tmp_path, {"prompt": "Hi", "chosen": "Yes.", "rejected": "No."}, "dpo"), lens)
    ((code, sentence),) = found.told_notes()
    assert code == "answers_cut"
    assert sentence.startswith("50% of the rows: ")
    assert not found.refused


def good(prompt: str, answer: str, *, label: bool) -> dict[str, Any]:
    return {"prompt": prompt, "completion": answer, "label": label}


def better(prompt: str, one: str, other: str) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": one, "rejected": other}


@pytest.mark.parametrize(
    ("method", "rows", "opposed"),
    [
        ("kto", [good("Hi", "Hello!", label=True), good("Hi", "Hello!", label=False)], [2]),
        ("kto", [good("Hi", "Hello!", label=True), good("Ho", "Hello!", label=False)], []),
        ("kto", [good("Hi", "Hello!", label=True), good("Hi", "What?", label=False)], []),
        ("dpo", [better("Hi", "A", "B"), better("Ho", "B", "A"), better("Hi", "B", "A")], [3]),
        ("dpo", [better("Hi", "A", "B"), better("Hi", "B", "C")], []),
        ("kto", [better("Hi", "A", "B"), better("Hi", "B", "A")], [2]),
        ("sft", [better("Hi", "A", "B"), better("Hi", "B", "A")], []),
    ],
)
def test_rows_that_judge_the_same_the_other_way_round_are_told(
    tmp_path: Path, method: str, rows: list[dict[str, Any]], opposed: list[int]
) -> None:
    """They cancel out, and nothing said so."""
    report = validate(written(tmp_path, rows), method)
    found = [issue for issue in report.issues if issue.reason == "opposite_row"]
    assert [issue.line for issue in found] == opposed
    assert all("the other way round" in issue.message for issue in found)


def test_opposites_are_found_however_they_are_written(tmp_path: Path) -> None:
    asked, said = HI, {"role": "assistant", "content": "Hello!"}
    other = {"role": "assistant", "content": [{"type": "text", "text": "What?"}]}
    rows = [
        {"chosen": [asked, said], "rejected": [asked, other]},
        {"rejected": [asked, said], "chosen": [asked, {"content": "What?", "role": "assistant"}]},
    ]
    report = validate(written(tmp_path, rows), "dpo")
    assert [(issue.line, issue.reason) for issue in report.issues] == [(2, "opposite_row")]
