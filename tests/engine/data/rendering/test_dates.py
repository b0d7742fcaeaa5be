"""Templates that tell the date: a run's model sees the day on which the run was made, however long the run takes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.templates import TemplateOptions, render_example, render_prompt
from droid_tune.errors import UserError
from droid_tune.model_files.tokenizer import load_tokenizer
from droid_tune.runs.folder import create_run, read_config
from tests.conftest import PROJECT_ROOT

DATED = (
    "{% if strftime_now is defined %}Today: {{ strftime_now('%d %b %Y') }}\n{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
ROW = {"prompt": "Hi", "answer": "Yo"}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The starter's tokenizer with a template that tells the date."""
    made = load_tokenizer(PROJECT_ROOT / "resources" / "starter")
    made.chat_template = DATED
    return made


def test_a_day_is_told_whenever_it_is_rendered(tokenizer: Any) -> None:
    options = TemplateOptions(date="2024-07-26")
    assert render_prompt(tokenizer, ROW, options).text.startswith("Today: 26 Jul 2024\n")
    assert render_example(tokenizer, ROW, options).text.startswith("Today: 26 Jul 2024\n")


def test_without_a_run_it_is_today(tokenizer: Any) -> None:
    days = [time.strftime("%d %b %Y")]
    text = render_prompt(tokenizer, ROW).text
    days.append(time.strftime("%d %b %Y"))  # midnight may pass
    assert text.split("\n")[0] in [f"Today: {day}" for day in days]


def test_a_row_cannot_set_it(tokenizer: Any) -> None:
    row = {**ROW, "chat_template_kwargs": {"strftime_now": "1999-01-01"}}
    prompt = render_prompt(tokenizer, row, TemplateOptions(date="2024-07-26"))
    assert prompt.text.startswith("Today: 26 Jul 2024\n")
    assert [note.code for note in prompt.notes] == ["template_settings"]


def test_a_template_of_the_librarys_own_is_not_told() -> None:
    """mlx-lm's templates in Python know no such switch."""

    class Own:
        chat_template = None

        def apply_chat_template(self, turns: object, **switches: object) -> str:
            return repr(sorted(switches))

    template = ChatTemplate(Own(), "", "")
    said = template.render(
        [{"role": "user", "content": "Hi"}], answer_next=True, switches={"strftime_now": "x"}
    )
    assert said == "['add_generation_prompt', 'tokenize']"


def settings(model: Path, **data: str) -> RunConfig:
    return RunConfig.model_validate({"model": {"path": str(model)}, "data": data})


@pytest.mark.parametrize("asks", [True, False])
def test_a_new_run_keeps_its_day_where_the_template_asks(asks: bool, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    told = {"chat_template": DATED if asks else "{{ messages[0].content }}"}
    (model / "tokenizer_config.json").write_text(json.dumps(told))
    kept = read_config(create_run(settings(model), tmp_path / "run")).data.template_date
    assert bool(kept) is asks
    assert not kept or TemplateOptions.of(settings(model, template_date=kept).data).date == kept
    named = read_config(create_run(settings(model, template_date="2024-07-26"), tmp_path / "named"))
    assert named.data.template_date == "2024-07-26"


def test_what_is_no_day_is_refused() -> None:
    with pytest.raises((UserError, ValueError), match="no date such as"):
        settings(Path("starter"), template_date="yesterday")
