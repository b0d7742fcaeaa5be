"""What a template rendered is asked for once, and what is kept of it is bounded."""

from __future__ import annotations

from droid_tune.data.rendering.rendered_texts import RenderedTexts
from droid_tune.data.rendering.templates.template_child import TemplateChild, TemplateChildren


def test_a_text_is_rendered_once_and_by_its_own_template(monkeypatch) -> None:
    asked: list[str] = []
    ask = TemplateChild.ask

    def counted(child: TemplateChild, source: str, request: object) -> object:
        asked.append(source)
        return ask(child, source, request)

    monkeypatch.setattr(TemplateChild, "ask", counted)
    children = TemplateChildren()
    turns = [{"role": "user", "content": "two"}]
    request = {"turns": turns, "asked": [(1, False)], "switches": {}}
    plain, loud = "{{ messages[0]['content'] }}", "{{ messages[0]['content'] | upper }}"
    try:
        for source, said in ((plain, "two"), (loud, "TWO"), (plain, "two"), (loud, "TWO")):
            assert children.render(source, request) == [{"text": said}]
        turns[0]["content"] = "three"
        assert children.render(plain, request) == [{"text": "three"}]
    finally:
        children.close()
    assert asked == [plain, loud, plain]


def test_what_was_asked_for_longest_ago_is_forgotten_first() -> None:
    texts = RenderedTexts(most_bytes=2_000)
    for name in ("a", "b", "c"):
        texts.keep("", name, [{"text": name * 100}])
    assert texts.find("", "a")
    texts.keep("", "d", [{"text": "d" * 100}])  # four of 601 bytes are too many
    assert [name for name in "abcd" if texts.find("", name)] == ["a", "c", "d"]
    texts.keep("", "long", [{"text": "e" * 4_000}])
    assert not any(texts.find("", name) for name in ("a", "c", "d", "long"))
