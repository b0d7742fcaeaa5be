"""Chat templates are foreign programs: rendered as transformers renders them, and ended where they want too much."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from droid_tune.data.rendering.templates import chat_template
from droid_tune.data.rendering.templates.template_child import TemplateChildren, TemplateLimitError
from droid_tune.data.templates import render_prompt
from droid_tune.errors import UserError, refused_by_system
from tests.engine.data.rendering.tokenizers import tokenizer

TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "Wie viel ist 3 + 4? ü \u2028 </s>"},
    {"role": "assistant", "content": "7", "reasoning_content": "3 and 4"},
    {"role": "user", "content": "Sure?", "name": None},
]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[TemplateChildren]:
    """Children that may compute for 0.3 s."""
    made = TemplateChildren(seconds=0.3)
    monkeypatch.setattr(chat_template, "CHILDREN", made)
    yield made
    made.close()


def asked(source: str, **more: Any) -> dict[str, Any]:
    return {"turns": TURNS, "asked": [(len(TURNS), True)], "switches": {"tools": None, **more}}


def text(children: TemplateChildren, source: str, **switches: Any) -> dict[str, str]:
    return children.render(source, asked(source, **switches))[0]


SEEN = (
    "{% set y = 1 %}{% generation %}{% set y = 2 %}{% set z = 3 %}{{ messages[1].thinking }}{{ y }}{% endgeneration %}"
    "{{ y }}{{ z }}|{{ dict(a=1).a }}|{{ {'b': 'ü<'} | tojson }}|"
    "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}|"
    "{% set n = namespace(x=1) %}{% set n.x = n.x + 1 %}{{ n.x }}|{{ documents is none }}|{{ strftime_now('%%') }}|"
    "{{ dict.fromkeys(['k'])['k'] is none }}|{{ messages[2].name is defined }}"
)


def test_a_template_sees_the_filters_and_globals_of_transformers() -> None:
    inner = chat_template.unwrapped(tokenizer("starter"))
    theirs = inner.apply_chat_template(TURNS, chat_template=SEEN, tokenize=False)
    switches = {"add_generation_prompt": False, "documents": None, "tools": None}
    turns = [{key: value for key, value in turn.items() if value is not None} for turn in TURNS]
    request = {"turns": turns, "asked": [(3, False)], "switches": switches}
    assert chat_template.CHILDREN.render(SEEN, request)[0] == {"text": theirs}


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{% set n = namespace(_x=1) %}",
        "{{ raise_exception('no system text') }}",
        "{% for %}",
        "{{ 1 / 0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_what_a_template_may_not_do_is_its_refusal(source: str, children: TemplateChildren) -> None:
    assert text(children, source).keys() == {"refused"}
    assert text(children, "{{ messages[0].role }}") == {"text": "user"}, "the child goes on"


HOSTILE = {
    "computed longer": [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ 10 ** (10 ** 10) }}",
    ],
    "wrote more": ["{% for a in range(99999) %}{{ 'a' * 9999 }}{% endfor %}"],
    "computed longer|of memory": [
        "{% set n = namespace(x='aa') %}{% for a in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
    ],
    "of memory": [
        "{{ 'a' * 99999999999 }}",
        "{{ 'x'.center(99999999999) }}",
    ],
}


@pytest.mark.parametrize(("why", "source"), [(why, one) for why, group in HOSTILE.items() for one in group])
def test_a_template_that_wants_too_much_is_ended_and_not_tried_again(
    why: str, source: str, children: TemplateChildren
) -> None:
    with pytest.raises(TemplateLimitError, match=why):
        text(children, source)
    before = os.times()
    with pytest.raises(TemplateLimitError, match=why):
        text(children, source)
    assert os.times().children_user == before.children_user, "no child was asked again"
    assert text(children, "{{ messages[0].role }}") == {"text": "user"}, "other templates go on"


def test_a_row_behind_an_endless_template_gets_one_sentence(children: TemplateChildren) -> None:
    inner = chat_template.unwrapped(tokenizer("starter"))
    endless = type(inner)(tokenizer_object=inner.backend_tokenizer, eos_token=inner.eos_token)
    endless.chat_template = HOSTILE["computed longer"][0]
    with pytest.raises(UserError, match=r"^The model's chat template computed longer than 0\.3 s .*mend its"):
        render_prompt(endless, {"prompt": "2 + 2?"})


def test_a_process_that_cannot_be_started_is_the_systems_refusal_and_no_fault_of_the_row(
    children: TemplateChildren, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(OSError, match="Resource temporarily unavailable") as refusal:
        text(children, "{{ 1 }}")
    assert refused_by_system(refusal.value) == (
        "The system refuses a file or a process (Resource temporarily unavailable)."
    )
