"""The tokenizer of a model folder, without the model: for showing and measuring what the model will see.

Importing the library takes seconds: call from a thread where someone waits at a window.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError

_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


def load_tokenizer(folder: Path) -> Any:
    """A Hugging Face tokenizer from files alone: no code of the model's runs, nothing is fetched. Raises `UserError`."""
    if not any((folder / name).is_file() for name in _FILES):
        raise UserError(
            "The tokenizer is missing (tokenizer.json)", place=str(folder), remedy="download the model again"
        )
    # The library's advice on frameworks that it does not find is for programmers.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except (ValueError, KeyError, OSError, TypeError, ImportError, AttributeError) as error:
        raise UserError(
            f"The tokenizer cannot be loaded ({type(error).__name__})",
            place=str(folder),
            remedy="download the model again",
        ) from error
