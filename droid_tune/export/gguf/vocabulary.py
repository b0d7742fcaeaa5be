"""A tokenizer as the keys of a GGUF file: tokens and their kinds, merges or scores, special tokens, chat template."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import gguf

from droid_tune.data.rendering.templates.chat_template import ChatTemplate, has_chat_template, unwrapped
from droid_tune.errors import UserError
from droid_tune.export.gguf.pretokenizers import pre_tokenizer_of
from droid_tune.export.gguf.reading import KNOWN_ENDS

_Kind = gguf.TokenType
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
#: a name by which llama.cpp takes spaces and line feeds behind control tokens away, and what it must find then
_PHI3 = re.compile(r"phi-?3", re.IGNORECASE)
_OF_PHI3 = frozenset(("<unk>", "<s>", "</s>", "<|endoftext|>"))
#: of a token that no merge makes: below every one that a merge makes
NEVER_MERGED = -1e9


@dataclass(frozen=True)
class Vocabulary:
    """The keys (below `tokenizer.`), and what a person should know."""

    keys: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass
class _Tokens:
    """Texts and kinds by id, up to the embedding's rows."""

    texts: list[str]
    kinds: list[int]
    special: set[str] = field(default_factory=set[str])


def name_in_file(name: str, tokenizer: Any) -> str:
    """What the model may be called in the file: llama.cpp reads text as Phi-3's tokenizer does, or opens no file without
    its tokens, wherever the name has it."""
    backend = getattr(unwrapped(tokenizer), "backend_tokenizer", None)
    added: list[dict[str, Any]] = json.loads(backend.to_str())["added_tokens"] if backend else []
    strips = any(one["rstrip"] for one in added if one["content"] not in _OF_PHI3)
    if strips and {one["content"] for one in added} >= _OF_PHI3:
        return name if _PHI3.search(name) else f"{name} (Phi-3)"
    return _PHI3.sub("Phi 3", name)


def vocabulary_of(tokenizer: Any, rows: int, ends: Collection[int], texts: Sequence[str]) -> Vocabulary:
    """The vocabulary of an embedding with `rows` rows; `ends` end an answer, `texts` are some that it will read.

    Raises UserError for a tokenizer that llama.cpp has no counterpart for.
    """
    inner = unwrapped(tokenizer)
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is None:
        raise UserError("a GGUF file needs a tokenizer with a tokenizer.json", value=type(inner).__name__)
    settings: dict[str, Any] = json.loads(backend.to_str())
    model = settings["model"]
    if model.get("type") != "BPE":
        raise UserError(
            "llama.cpp has no tokenizer of this kind", value=model.get("type"), place="tokenizer.json"
        )
    tokens = _tokens(settings, rows)
    notes: list[str] = []
    if model.get("byte_fallback"):
        keys = _sentence_pieces(settings, tokens)
    else:
        known, note = pre_tokenizer_of(settings, texts)
        notes += [note] if note else []
        keys = {
            "ggml.model": "gpt2",
            "ggml.pre": known.name,
            "ggml.merges": [" ".join(pair) for pair in _merges(model)],
        }
    keys |= {"ggml.tokens": tokens.texts, "ggml.token_type": tokens.kinds}
    special = _special(inner, ends, tokens.texts)
    if special["ggml.add_bos_token"] and not _chats_begin_so(tokenizer):
        special["ggml.add_bos_token"] = False
        notes.append(
            f"Its chat template begins without `{inner.bos_token}`, which the tokenizer puts before plain text, so the "
            "file has programs put none: they read chats as the run did, and plain text without it."
        )
    return Vocabulary(keys | special | _template(tokenizer, inner), tuple(notes))


def _tokens(settings: dict[str, Any], rows: int) -> _Tokens:
    texts = [f"[PAD{number}]" for number in range(rows)]
    kinds = [int(_Kind.UNUSED)] * rows
    model = settings["model"]
    for text, number in model["vocab"].items():
        if number >= rows:  # the model has no embedding of it
            continue
        byte = model.get("byte_fallback") and _BYTE.fullmatch(text)
        texts[number], kinds[number] = text, int(_Kind.BYTE if byte else _Kind.NORMAL)
    for added in settings["added_tokens"]:
        number = added["id"]
        if number < rows:
            kind = _Kind.CONTROL if added["special"] else _Kind.USER_DEFINED
            if model.get("byte_fallback") and added["content"] == model.get("unk_token"):
                kind = _Kind.UNKNOWN
            texts[number], kinds[number] = added["content"], int(kind)
    return _Tokens(texts, kinds)


def _merges(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs, the first merged first; older files write them as one text."""
    pairs = (one.split(" ", 1) if isinstance(one, str) else one for one in model["merges"])
    return [(str(left), str(right)) for left, right in pairs]


def _sentence_pieces(settings: dict[str, Any], tokens: _Tokens) -> dict[str, Any]:
    """llama.cpp's SentencePiece merges the pair whose result has the best score: earlier merges score higher."""
    made: dict[str, float] = {}
    for rank, (left, right) in enumerate(_merges(settings["model"])):
        made.setdefault(left + right, -float(rank))
    return {
        "ggml.model": "llama",
        "ggml.pre": "default",
        "ggml.scores": [made.get(text, NEVER_MERGED) for text in tokens.texts],
        "ggml.add_space_prefix": _adds_space(settings),
    }


def _adds_space(settings: dict[str, Any]) -> bool:
    """Whether text begins with a space of the tokenizer's own: by a normaliser, or by a Metaspace."""
    steps = _steps(settings.get("normalizer"), "normalizers") + _steps(
        settings.get("pre_tokenizer"), "pretokenizers"
    )
    return any(
        step.get("type") == "Prepend"
        or (step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for step in steps
    )


def _steps(settings: Any, name: str) -> list[dict[str, Any]]:
    return [] if settings is None else list(settings.get(name, [settings]))


def _special(tokenizer: Any, ends: Collection[int], texts: Sequence[str]) -> dict[str, Any]:
    """Ids of the special tokens, and whether text begins or ends with one. Of several ends the tokenizer's own is the
    end of all text; llama.cpp has two more names for others, those first that it does not know by their texts."""
    found: dict[str, Any] = {}
    for name, key in (("bos", "bos"), ("unk", "unknown"), ("pad", "padding")):
        number = getattr(tokenizer, f"{name}_token_id", None)
        if number is not None:
            found[f"ggml.{key}_token_id"] = int(number)
    own = getattr(tokenizer, "eos_token_id", None)
    known = {number for number in ends if number < len(texts) and texts[number] in KNOWN_ENDS}
    ordered = sorted({*ends}, key=lambda number: (number != own, number in known, number))
    for key, number in zip(("eos", "eot", "eom"), ordered, strict=False):
        found[f"ggml.{key}_token_id"] = number
    begun = list(tokenizer.encode("a"))
    plain = list(tokenizer.encode("a", add_special_tokens=False))
    found["ggml.add_bos_token"] = len(begun) > len(plain) and begun[0] == found.get("ggml.bos_token_id")
    found["ggml.add_eos_token"] = len(begun) > len(plain) and begun[-1] == own and plain[-1:] != [own]
    return found


def _chats_begin_so(tokenizer: Any) -> bool:
    """Whether a chat begins with the token that begins plain text; so where there is no template to say otherwise."""
    if not has_chat_template(tokenizer):
        return True
    turns: list[Any] = [{"role": "user", "content": "Hello"}]
    try:
        text = ChatTemplate.of(tokenizer).render(turns, answer_next=True, switches={})
    except UserError:
        return True
    return text.startswith(unwrapped(tokenizer).bos_token)


def _template(tokenizer: Any, inner: Any) -> dict[str, Any]:
    """The default template, and others under their names: llama.cpp shows tools by the one called `tool_use`."""
    if not has_chat_template(tokenizer):
        return {}
    given: Any = inner.chat_template
    if not isinstance(given, dict):
        return {"chat_template": ChatTemplate.of(tokenizer).source}
    sources = {str(name): str(source) for name, source in given.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    default = sources.pop("default", None)
    found: dict[str, Any] = {} if default is None else {"chat_template": default}
    if sources:
        found["chat_templates"] = sorted(sources)
    return found | {f"chat_template.{name}": source for name, source in sources.items()}
