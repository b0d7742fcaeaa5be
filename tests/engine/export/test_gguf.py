"""GGUF files: every family is read back to the same model, llama.cpp reads them alike, planted faults are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.utils import load_model
from tokenizers import AddedToken

from droid_tune.config.exporting import ExportRequest
from droid_tune.data.rendering.templates.chat_template import unwrapped
from droid_tune.errors import UserError
from droid_tune.export.checking.comparison import Compared, Judged, compare
from droid_tune.export.checking.questions import _conversations, sit_here
from droid_tune.export.gguf import writing
from droid_tune.export.gguf.families import family_of, metadata_of
from droid_tune.export.gguf.pretokenizers import KNOWN, cut_by, pre_tokenizer_of
from droid_tune.export.gguf.reading import GgufKeys, read_keys, unpack_gguf
from droid_tune.export.gguf.tensors import llama3_factors, neighbouring_pairs, split_pairs
from droid_tune.export.gguf.vocabulary import name_in_file, vocabulary_of
from droid_tune.export.gguf.writing import write_gguf
from droid_tune.export.result import export_run
from droid_tune.export.targets import gguf_model
from droid_tune.model.fusing import fuse_adapter
from droid_tune.model_files.tokenizer import load_tokenizer
from tests.engine.export.tiny_families import CASES, random_exam, tiny_family

#: longer than the windows of the cases
SEQUENCE = mx.array([[1, *range(300, 340)]])


# --- numbers that can be checked by hand ----------------------------------------------------------------------------


def test_rows_of_a_head_are_paired_as_llama_cpp_turns_them() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of width 4: halves (0, 1) and (2, 3)
    paired = neighbouring_pairs(rows, 2)
    assert paired[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert (split_pairs(paired, 2) == rows).all()


def test_llama3_divides_slow_frequencies_by_the_factor_and_fast_ones_by_one() -> None:
    scaling = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    factors = llama3_factors({"rope_scaling": scaling, "rope_theta": 500_000.0, "head_dim": 64})
    assert factors[0] == 1.0  # a wave of 2 pi tokens
    assert factors[-1] == 8.0  # a wave of 2 million tokens
    middle = factors[(factors > 1) & (factors < 8)]
    assert len(middle) > 1
    assert (np.diff(middle) > 0).all()


# --- families -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_read_back_to_the_same_model(case: str, stories_model: Path, tmp_path: Path) -> None:
    policy = tiny_family(tmp_path / "model", case, stories_model)
    fuse_adapter(policy)
    write_gguf(policy, tmp_path / "x.gguf", name="x", weights="none", texts=[])
    unpack_gguf(tmp_path / "x.gguf", tmp_path / "model", tmp_path / "again")
    again = load_model(tmp_path / "again")[0]
    np.testing.assert_allclose(
        np.array(again(SEQUENCE)), np.array(policy.model(SEQUENCE)), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("model_type", "settings", "said"),
    [
        ("mamba2", {}, r"this model family \(found 'mamba2'\); it can of llama, mistral, qwen2"),
        (
            "llama",
            {"rope_scaling": {"type": "dynamic", "factor": 2}},
            "scaling of positions .found 'dynamic'",
        ),
        ("llama", {"layer_types": ["sliding_attention"], "sliding_window": 8}, "a window of them .found 8"),
        ("qwen3_moe", {"norm_topk_prob": False}, "weighs this model's experts otherwise"),
        ("gemma3_text", {"sliding_window": 8, "sliding_window_pattern": 2}, "every 6th layer .* .found 2"),
        (
            "gemma2",
            {"query_pre_attn_scalar": 12},
            "query_pre_attn_scalar: llama.cpp scales attention by 8 .found 12",
        ),
        ("smollm3", {"no_rope_layer_interval": 3}, "every fourth layer without positions"),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_refused_by_name(
    model_type: str, settings: dict[str, Any], said: str
) -> None:
    sizes = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "rms_norm_eps": 1e-5,
    }
    with pytest.raises(UserError, match=said):
        metadata_of(family_of(model_type), sizes | settings)


@pytest.mark.parametrize(("weights", "most"), [("f16", 1e-3), ("bf16", 1e-2), ("q8_0", 1e-2), ("q4_0", 0.12)])
def test_each_type_is_as_near_as_its_bits_allow(
    weights: str, most: float, stories_model: Path, tmp_path: Path
) -> None:
    policy = tiny_family(tmp_path / "model", "qwen2", stories_model)
    fuse_adapter(policy)
    write_gguf(policy, tmp_path / "x.gguf", name="x", weights=weights, texts=[])
    reader = gguf.GGUFReader(tmp_path / "x.gguf")
    found = {one.name: one for one in reader.tensors}
    written = found["blk.0.ffn_gate.weight"]
    values = gguf.quants.dequantize(written.data, written.tensor_type)
    wanted = np.array(policy.model.layers[0]["mlp"]["gate_proj"]["weight"])
    assert np.linalg.norm(values - wanted) / np.linalg.norm(wanted) < most
    assert found["blk.0.attn_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32
    if weights == "q4_0":
        assert found["token_embd.weight"].tensor_type == gguf.GGMLQuantizationType.Q8_0


# --- tokenizers -----------------------------------------------------------------------------------------------------


def byte_level(**changes: Any) -> dict[str, Any]:
    return {"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": [], **changes}


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_each_way_of_cutting_is_recognised_by_its_patterns(known: Any) -> None:
    tokenizer = cut_by(byte_level(), known)
    tokenizer["model"]["ignore_merges"] = known.whole_first
    assert pre_tokenizer_of(tokenizer, []) == (known, "")


def test_an_unknown_way_is_replaced_only_by_one_that_reads_the_texts_alike(project_root: Path) -> None:
    starter = json.loads((project_root / "resources" / "starter" / "tokenizer.json").read_text())
    known, note = pre_tokenizer_of(starter, ["A shop has fifty-nine coins."])
    assert known.patterns != starter["pre_tokenizer"]
    assert note.startswith("llama.cpp has not this tokenizer's way of cutting")
    with pytest.raises(UserError, match="no way to cut text as this tokenizer does"):
        pre_tokenizer_of(starter, ["fifty-four and 12"])


@pytest.mark.parametrize(("template", "begins"), [("", True), ("{{ bos_token }}", True), (None, False)])
def test_chats_begin_in_the_file_as_they_begin_in_the_run(
    template: str | None, begins: bool, stories_model: Path
) -> None:
    """Plain text begins with a token of its own; a chat only where the template has it: programs add one or none."""
    tokenizer = load_tokenizer(stories_model)
    inner = unwrapped(tokenizer)
    inner.chat_template = None if template == "" else f"{template or ''}{inner.chat_template}"
    tokenizer.has_chat_template = template != ""
    found = vocabulary_of(tokenizer, 512, [2], [])
    assert found.keys["ggml.add_bos_token"] is begins
    assert bool(found.notes) is not begins
    assert vocabulary_of(tokenizer, 500, [2], []).keys["ggml.tokens"] == found.keys["ggml.tokens"][:500]


@pytest.mark.parametrize("default", [{"default": "{{ 'plain' }}"}, {}])
def test_the_template_for_tools_is_in_the_file_under_its_name(
    default: dict[str, str], stories_model: Path, tmp_path: Path
) -> None:
    """Rows with tools were learnt behind `tool_use`; the file held the default one alone, which leaves tools out."""
    policy = tiny_family(tmp_path / "model", next(iter(CASES)), stories_model)
    templates = default | {"tool_use": "{{ tools }}", "rag": "{{ documents }}"}
    unwrapped(policy.tokenizer).chat_template = templates
    fuse_adapter(policy)
    write_gguf(policy, tmp_path / "x.gguf", name="x", weights="none", texts=[])
    values = read_keys(tmp_path / "x.gguf").values
    assert values.get("tokenizer.chat_template") == default.get("default")
    assert values["tokenizer.chat_template.tool_use"] == "{{ tools }}"
    assert sorted(values["tokenizer.chat_templates"]) == ["rag", "tool_use"]
    unpack_gguf(tmp_path / "x.gguf", tmp_path / "model", tmp_path / "again")
    assert load_tokenizer(tmp_path / "again").chat_template == templates


def test_ends_that_llama_cpp_does_not_know_by_their_texts_are_named_first(
    stories_model: Path, tmp_path: Path
) -> None:
    """A file has names for three; of Hermes on Llama 3 there are four, and it was refused."""
    policy = tiny_family(tmp_path / "model", next(iter(CASES)), stories_model)
    known = [AddedToken(text, special=True) for text in ("<|eot_id|>", "<|eom_id|>")]
    unwrapped(policy.tokenizer).add_tokens(known, special_tokens=True)
    eot, eom = policy.tokenizer.convert_tokens_to_ids(["<|eot_id|>", "<|eom_id|>"])
    ends = {2, 300, eot, eom}
    keys = vocabulary_of(policy.tokenizer, 520, ends, []).keys
    assert [keys[f"ggml.{name}_token_id"] for name in ("eos", "eot", "eom")] == [2, 300, eot]
    texts = keys["ggml.tokens"]
    values = {f"tokenizer.{key}": value for key, value in keys.items()}
    assert GgufKeys(values).ends == [2, 300, eot]
    assert (GgufKeys(values).ends_among([*ends, 301]), texts[eom]) == (sorted(ends), "<|eom_id|>")


@pytest.mark.parametrize(
    ("rstrip", "name", "written"),
    [
        (True, "SFT night", "SFT night (Phi-3)"),
        (True, "SFT phi3 night", "SFT phi3 night"),
        (False, "like Phi-3, but small", "like Phi 3, but small"),
        (False, "SFT night", "SFT night"),
    ],
)
def test_the_name_in_the_file_reads_text_as_the_tokenizer_does(
    rstrip: bool, name: str, written: str, stories_model: Path
) -> None:
    """llama.cpp takes spaces behind control tokens away by the name of the model alone."""
    tokenizer = load_tokenizer(stories_model)
    added = [AddedToken("<|user|>", special=True, rstrip=rstrip), AddedToken("<|endoftext|>", special=True)]
    unwrapped(tokenizer).add_tokens(added, special_tokens=True)
    assert name_in_file(name, tokenizer) == written


# --- planted faults -------------------------------------------------------------------------------------------------


def unpaired_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("droid_tune.export.gguf.tensors.neighbouring_pairs", lambda rows, heads: rows)


def wrong_base(monkeypatch: pytest.MonkeyPatch) -> None:
    change_keys(monkeypatch, **{"llama.rope.freq_base": 300.0})


def wrong_end(monkeypatch: pytest.MonkeyPatch) -> None:
    change_keys(monkeypatch, **{"tokenizer.ggml.eos_token_id": 7})


def lost_template(monkeypatch: pytest.MonkeyPatch) -> None:
    change_keys(monkeypatch, **{"tokenizer.chat_template": None})


def unscaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learnt is left out."""
    monkeypatch.setattr(gguf_model, "fuse_adapter", lambda policy: policy.model.update_modules(bases(policy)))


def bases(policy: Any) -> Any:
    from mlx.utils import tree_unflatten

    from droid_tune.model.adapters import base_of, is_adapter

    return tree_unflatten(
        [(name, base_of(module)) for name, module in policy.model.named_modules() if is_adapter(module)]
    )


def change_keys(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    write = writing.add_keys

    def changed(writer: Any, values: Any) -> None:
        kept = {key: changes.get(key, value) for key, value in values.items()}
        write(writer, {key: value for key, value in kept.items() if value is not None})

    monkeypatch.setattr(writing, "add_keys", changed)


FAULTS: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (unpaired_rows, "greedy tokens are the run's own"),
    (unscaled, "greedy tokens are the run's own"),
    (wrong_base, "greedy tokens are the run's own"),
    (wrong_end, "it goes on behind token 1"),
    (lost_template, "its chat template is lost"),
]


@pytest.mark.usefixtures("opened_here")
@pytest.mark.parametrize(
    ("plant", "said"),
    [
        pytest.param(*fault, id=fault[0].__name__, marks=() if fault == FAULTS[-1] else pytest.mark.slow)
        for fault in FAULTS
    ],
)
def test_a_planted_fault_of_a_file_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    said: str,
    learnt_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    monkeypatch.setattr(gguf_model, "LLAMA", "no_such_package")
    with pytest.raises(UserError, match=said):
        export_run(learnt_run, ExportRequest("gguf", tmp_path / "out", check=3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("opened_here")
def test_a_file_without_faults_is_kept(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_model, "LLAMA", "no_such_package")
    exported = export_run(learnt_run, ExportRequest("gguf", tmp_path / "out", check=3))
    assert exported.compared is not None
    assert exported.compared.equal_share == 1.0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["sft-starter.gguf"]
    keys = read_keys(tmp_path / "out" / "sft-starter.gguf")
    assert keys.ends == [1]
    assert "<|assistant|>" in keys.chat_template


# --- llama.cpp itself -----------------------------------------------------------------------------------------------


def blank() -> Compared:
    return Compared("llama.cpp", 0, False, True, 0, 0, Judged(None, None), None, None)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_llama_cpp_computes_each_family_alike(case: str, stories_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from droid_tune.export.checking.sitting_llama import sit_in_llama

    policy = tiny_family(tmp_path / "model", case, stories_model)
    fuse_adapter(policy)
    exam = random_exam(policy, ["Once upon a time there was a little dog who liked to play", "The big cat"])
    here = sit_here(policy, exam)
    write_gguf(policy, tmp_path / "x.gguf", name="x", weights="none", texts=[])
    compared = compare(exam, here, sit_in_llama(tmp_path / "x.gguf", exam), blank())
    assert compared.equal_share >= 0.95, compared  # random weights: some tokens are nearly as likely
    assert abs(compared.nll_difference or 0) < 0.01
    assert not [fault for fault in compared.faults if "greedy" not in fault]


TEXTS = [
    "Once upon a time, there were 1234 dogs & 56 cats!",
    "  def f(x):\n    return x+1  # über  don't I'LL\r\n\n",
    "日本語のテキスト 한국어 العربية 🙂🙂",
    "a\tb\u00a0c …“quoted” ½ ²x 'twas we'VE",
    "HelloWorld camelCase snake_case 3.14e-10",
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "name"),
    [("llama", "llama3_1"), ("mistral", "mistral_nemo"), ("qwen3", "qwen3"), ("llama", "deepseek_v3")],
)
def test_llama_cpp_reads_real_tokenizers_alike(
    case: str, name: str, shared_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    from droid_tune.export.checking.sitting_llama import sit_in_llama

    policy = tiny_family(tmp_path / "model", case, shared_dir / "tokenizers" / name)
    fuse_adapter(policy)
    exam = replace(random_exam(policy, TEXTS, 4), conversations=_conversations(policy.tokenizer))
    here = sit_here(policy, exam)
    write_gguf(policy, tmp_path / "x.gguf", name="x", weights="none", texts=[])
    there = sit_in_llama(tmp_path / "x.gguf", exam)
    assert there.encoded == here.encoded
    assert set(exam.ends) <= set(there.ends or ())
    # Its template engine does not take Mistral NeMo's own (findings/llama_cpp_chat_template.sh).
    assert there.rendered == ([None, None] if name == "mistral_nemo" else here.rendered)
