"""The tokenizer of a model folder, without the model: for showing and measuring what the model will see.

Importing the libraries takes time, transformers seconds: call from a thread where someone waits at a window. The engine
loads the same files through mlx-lm, which adds what it needs to decode (`droid_tune.model.loading`); what goes wrong is
said here for both.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import TYPE_CHECKING, Any

from droid_tune.errors import UserError, refused_by_system
from droid_tune.model_files.model_folder import check_tokenizer_files, read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer


#: templates beside the default one, by the names of their files: `tool_use` shows rows with tools
NAMED_TEMPLATES = "additional_chat_templates/*.jinja"
#: what a model is told beside the text itself may stand in any of these: its chat template and special tokens
SPEAKING_FILES = ("tokenizer_config.json", "chat_template.jinja", "chat_template.json", NAMED_TEMPLATES)


#: how Rust tells what the system answered
_OS_ERROR = re.compile(r"\(os error ([0-9]{1,4})\)")


@contextmanager
def tokenizer_faults(folder: Path) -> Generator[None]:
    """Turn whatever the libraries raise while they read a folder's tokenizer into one `UserError`."""
    check_tokenizer_files(folder)
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # the Rust library raises bare Exception for files that it cannot read
        if refused := _system_said(error):
            raise UserError(
                f"the tokenizer cannot be read ({refused})",
                place=str(folder),
                remedy="see that the disk is there and sound, and try again",
            ) from error
        raise UserError(
            f"the tokenizer cannot be loaded ({_fault(folder, error)})",
            place=str(folder),
            remedy="download the model again",
        ) from error


def _fault(folder: Path, error: Exception) -> str:
    """What is wrong with a folder's tokenizer, in the Rust library's words where that reads its file as little."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        return "there is no tokenizer.json"
    try:
        Tokenizer.from_file(str(file))
    except Exception as found:  # it raises nothing else
        return f"tokenizer.json: {shorten(str(found).rstrip('.'), 120)}"
    return shorten(f"{type(error).__name__}: {error}", 120)


def _system_said(error: BaseException) -> str:
    """Why the system gave no file, by the error or one that led to it; empty where it did, and the file is at fault."""
    link: BaseException | None = error
    while link is not None:
        number = _OS_ERROR.search(str(link))
        refusal = OSError(int(number[1]), os.strerror(int(number[1]))) if number else link
        if isinstance(refusal, OSError) and refused_by_system(refusal):
            return refusal.strerror or str(refusal)
        link = link.__cause__ or link.__context__
    return ""


def import_whole(name: str) -> ModuleType:
    """A module that puts another one in its own place when it is read, as transformers does. `from NAME import ...` in a
    second thread meanwhile gets the one that was replaced, which has no names (CPython 3.11); this gets the one that stays."""
    return importlib.import_module(name)


def import_transformers() -> Any:
    """The library, whole and without its advice on frameworks that it does not find, which is for programmers."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    return import_whole("transformers")


def load_tokenizer(folder: Path) -> Any:
    """A Hugging Face tokenizer from files alone: no code of the model's runs, nothing is fetched. Raises `UserError`."""
    with tokenizer_faults(folder):
        made = import_transformers().AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
        name_end(made, folder)
        return made


def ends_in_files(folder: Path) -> list[int]:
    """The tokens that end an answer by `generation_config.json`, and by `config.json` where that names none: the first may
    be right where the second is left over from another model, and mlx-lm and transformers read them so."""
    for file in ("generation_config.json", "config.json"):
        if (folder / file).is_file():
            value = read_json(folder / file).get("eos_token_id")
            found = [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]
            if found:
                return found
    return []


def name_end(tokenizer: Any, folder: Path) -> None:
    """Give a Hugging Face tokenizer whose settings name no end of text the first that the model's files name: else a run
    stops there and learns to write none."""
    if tokenizer.eos_token_id is not None or not (ends := ends_in_files(folder)):
        return
    text = tokenizer.convert_ids_to_tokens(ends[0])
    if isinstance(text, str):
        tokenizer.add_special_tokens({"eos_token": text})


def load_fast_tokenizer(folder: Path) -> Tokenizer | None:
    """Text to ids alone, in a tenth of the time that transformers takes; None where the folder has none that it reads."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        return None
    try:
        with tokenizer_faults(folder):
            made = Tokenizer.from_file(str(file))
    except UserError:
        return None
    # What transformers does for every text: the file may cut and fill texts as whoever saved it had last done.
    made.no_truncation()
    made.no_padding()
    return made


def may_tell_the_date(folder: Path | None) -> bool:
    """Whether the folder's chat template asks which day it is; for all that is known of a folder that is not here, it does."""
    if folder is None:
        return True
    return any("strftime_now" in text for text in speaking_texts(folder))


def speaking_texts(folder: Path) -> Iterator[str]:
    """The texts of the files that may hold a chat template."""
    for file in (one for pattern in SPEAKING_FILES for one in sorted(folder.glob(pattern))):
        with suppress(OSError):
            yield file.read_text(encoding="utf-8-sig", errors="replace")


def unread_template(folder: Path) -> str:
    """What to do where the only template stands in `chat_template.json`, which transformers and mlx-lm read for models of
    pictures alone; empty where it is not there."""
    if declares_chat_template(folder) or not (folder / "chat_template.json").is_file():
        return ""
    return "copy the template in its chat_template.json, which mlx-lm does not read, into a file chat_template.jinja"


def declares_chat_template(folder: Path) -> bool:
    """Whether the folder's files hold a chat template."""
    if (folder / "chat_template.jinja").is_file() or any(folder.glob(NAMED_TEMPLATES)):
        return True
    try:
        settings: Any = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8-sig"))
        return bool(settings.get("chat_template"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
