"""The sizes of a model of the Hugging Face Hub before it is downloaded: its config.json and its list of files."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.model_files.facts import ModelFacts
from droid_tune.model_files.from_hub.hub_faults import hub_fault
from droid_tune.model_files.headers import read_headers
from droid_tune.model_files.hub import is_hub_id, local_model
from droid_tune.model_files.read_facts import facts_of, read_model, says_its_size

#: seconds that the Hub has for an answer
PATIENCE = 10
_WEIGHTS = "model*.safetensors"
UNKNOWN_THEN = ", so whether it fits is not known"
_FETCHED: dict[tuple[str, str], ModelFacts] = {}


def facts_at_hand(name: str, revision: str = "") -> ModelFacts:
    """The model's facts without asking anybody: from its folder, or as the Hub told them to this process.

    Of one that is neither here nor asked for, facts that are not `known`, with a note that says so. Never raises.
    """
    folder = local_model(name, revision)
    if folder is not None and not (is_of_hub(name) and read_headers(folder).problems):
        return read_model(folder)
    if (name, revision) in _FETCHED:
        return _FETCHED[name, revision]
    if folder is not None and read_model(folder).known:
        note = (
            f"The weights of {name} are not all on this computer yet: the estimate follows its config.json."
        )
        return replace(read_model(folder), notes=(note,))
    note = f"The model {name} is not on this computer, so its memory and time are not known."
    return facts_of({}, (), (note,))


def is_of_hub(name: str) -> bool:
    """Whether a name stands for a model of the Hub, and not for a folder."""
    return is_hub_id(name) and not Path(name).is_dir()


def fetch_facts(name: str, revision: str = "") -> ModelFacts:
    """Ask the Hub for the sizes of a model (a few KB, into its own cache); remembered for `facts_at_hand`.

    Raises `UserError` where the Hub cannot be reached, refuses, or says nothing of use.
    """
    if (name, revision) not in _FETCHED:
        _FETCHED[name, revision] = _fetched(name, revision)
    return _FETCHED[name, revision]


def _fetched(name: str, revision: str) -> ModelFacts:
    from huggingface_hub import HfApi, hf_hub_download

    wanted = revision or None
    try:
        told = HfApi().model_info(name, revision=wanted, files_metadata=True, timeout=PATIENCE)
        sizes = {one.rfilename: one.size or 0 for one in told.siblings or []}
        if "config.json" not in sizes:
            raise UserError("it has no config.json, so its memory cannot be estimated", place=name)
        config = Path(hf_hub_download(name, "config.json", revision=wanted, etag_timeout=PATIENCE))
        content: Any = json.loads(config.read_text(encoding="utf-8-sig"))
    except UserError:
        raise
    except Exception as error:  # the Hub's client raises what its HTTP library does, by whichever name
        raise hub_fault(name, error, UNKNOWN_THEN) from error
    return _from_answer(name, content, sum(n for file, n in sizes.items() if fnmatch(file, _WEIGHTS)))


def _from_answer(name: str, config: Any, weight_bytes: int) -> ModelFacts:
    if not isinstance(config, dict) or not says_its_size(config):
        raise UserError("its config.json does not say how large it is", place=name)
    note = f"{name} is not downloaded yet: the estimate follows its config.json and the sizes of its files."
    return facts_of(config, (), (note,), weight_bytes=weight_bytes)
