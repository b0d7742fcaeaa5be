"""Which architectures mlx-lm implements is read from its sources; mlx-lm itself is asked here whether that is so."""

from __future__ import annotations

from typing import Any

import pytest
from mlx_lm import utils

from droid_tune.model_files.architectures import implementing_module


def loadable(config: dict[str, Any]) -> bool:
    """mlx-lm's own answer: it finds a class `Model`."""
    try:
        utils._get_classes(config)
    except (ValueError, AttributeError):
        return False
    return True


@pytest.mark.parametrize(
    "model_type",
    [
        "llama",
        "qwen3",
        "lfm2-vl",
        "mistral",
        "falcon_mamba",
        "solar_open",
        "cache",
        "base",
        "bert",
        "LLAMA",
        "..",
    ],
)
def test_a_type_is_known_where_mlx_lm_can_load_it(model_type: str) -> None:
    config = {"model_type": model_type}
    assert (implementing_module(config) is not None) is loadable(config)


def test_other_names_lead_to_the_module_that_mlx_lm_takes() -> None:
    for name, module in utils.MODEL_REMAPPING.items():
        assert implementing_module({"model_type": name}) == module
    for (name, kind), module in utils.MODEL_ARCHITECTURE_REMAPPING.items():
        assert implementing_module({"model_type": name, "architectures": [kind]}) == module


@pytest.mark.parametrize("classes", [None, [], "LlamaForCausalLM", ["LlamaForCausalLM"], 3, {}])
def test_absurd_classes_of_a_config_break_nothing(classes: object) -> None:
    assert implementing_module({"model_type": "llama", "architectures": classes}) == "llama"
