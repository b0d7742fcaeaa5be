"""Which files a path means, and which split each of them is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.table import need_of
from droid_tune.data.issues import FileFault
from droid_tune.data.reading.hub_dataset import HUB_PREFIX, HubReference, fetch
from droid_tune.data.splits import (
    SPLIT_NAMES,
    SPLITS,
    DataFile,
    Split,
    split_of,
    split_of_word,
    suffix_of,
    whole_name,
)
from droid_tune.paths import data_path, user_path

#: The folder of the bundled data that holds the same problems with their working.
WORKED = "worked"
#: The folder of the bundled data that holds pairs of answers to such problems.
PAIRS = "pairs"
#: where data sets of the Hugging Face Hub have their files, in a copy on this computer too
HUB_FOLDER = "data"
#: folders of a folder that are looked into for a train file
MOST_LOOKED_INTO = 100


def place_of(name: str, method: str | None = None) -> Path:
    """What `data.path` means for a method: `sample` is the bundled data, with worked answers where these are imitated, and
    with pairs where answers are judged."""
    need = "prompt" if method is None or name != "sample" else need_of(method)
    folder = {"demonstration": WORKED, "preference": PAIRS, "verdict": PAIRS}.get(need)
    return data_path(name) if folder is None else data_path(name) / folder


@dataclass(frozen=True)
class Found:
    """The data files of a path; `fault` says what is missing from the whole."""

    files: tuple[DataFile, ...]
    fault: FileFault | None = None
    unused: tuple[Path, ...] = ()


def discover(path: Path, watch: Watch = UNWATCHED) -> Found:
    """The data files of a folder, or the one file; nothing is opened here.

    `hub:owner/name` is a data set of the Hugging Face Hub and is fetched. Raises `UserError`, `Stopped`.
    """
    if str(path).startswith(HUB_PREFIX):
        return Found(tuple(fetch(HubReference.of(str(path)), watch=watch)))
    if not path.is_dir():
        return Found((DataFile(path, split_of(path) or "train"),))
    return _discover_folder(path)


def _discover_folder(folder: Path) -> Found:
    try:
        files, unused = _sorted_out(folder)
        if any(one.split == "train" for one in files):
            return Found(files, None, unused)
        holders = _holders(folder)
        if holders == [HUB_FOLDER]:
            return _discover_folder(folder / HUB_FOLDER)
        meant = _meant(unused) if not files and not holders else []
        if meant:
            return Found(tuple(meant), None, _without(unused, meant))
        return Found(files, _missing_train(unused, holders), unused)
    except OSError as error:
        return Found(
            (), FileFault("unreadable", f"The folder cannot be read ({error.strerror}); check its rights.")
        )


def _sorted_out(folder: Path) -> tuple[tuple[DataFile, ...], tuple[Path, ...]]:
    """The files of a folder that are of a split, and the other files of data. Raises OSError where it cannot be read."""
    files: list[DataFile] = []
    unused: list[Path] = []
    entries = _entries(folder)
    for one in entries:
        split = split_of(one)
        if split is not None:
            files.append(DataFile(one, split))
        elif suffix_of(one):
            unused.append(one)
    files += [one for entry in entries if not suffix_of(entry) for one in _split_folder(entry)]
    files.sort(key=lambda one: (SPLITS.index(one.split), one.path.name))
    return tuple(files), tuple(unused)


def _without(paths: Sequence[Path], taken: Sequence[DataFile]) -> tuple[Path, ...]:
    read = {one.path for one in taken}
    return tuple(one for one in paths if one not in read)


def _meant(paths: Sequence[Path]) -> list[DataFile]:
    """Of files none of which is called by its split alone: those whose names say one among others (`sums_train.csv` with
    `sums_test.csv`), else the only one that there is (`sums.csv`). None where neither tells what to train on."""
    named = [DataFile(one, split) for one in paths if (split := split_of_word(whole_name(one))) is not None]
    if any(one.split == "train" for one in named):
        return sorted(named, key=lambda one: (SPLITS.index(one.split), one.path.name))
    return [DataFile(paths[0], "train")] if len(paths) == 1 and not named else []


def _entries(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(folder) if not entry.name.startswith("."))


def _split_folder(folder: Path) -> list[DataFile]:
    """The files of a folder that is itself named for a split (`train/part-0.parquet`)."""
    split = SPLIT_NAMES.get(folder.name.lower())
    if split is None or not folder.is_dir():
        return []
    return [
        DataFile(one, split)
        for one in sorted(folder.iterdir())
        if suffix_of(one) and not one.name.startswith(".")
    ]


def _holders(folder: Path) -> list[str]:
    """Names of a folder's folders that have a train file: one of them was meant, perhaps. What cannot be read has none."""
    found: list[str] = []
    for entry in [one for one in _entries(folder) if one.is_dir()][:MOST_LOOKED_INTO]:
        with contextlib.suppress(OSError):
            if any(one.split == "train" for one in _sorted_out(entry)[0]):
                found.append(entry.name)
    return found


def _missing_train(unused: tuple[Path, ...], holders: Sequence[str]) -> FileFault:
    said = "The folder has no train file"
    if holders:
        names = ", ".join(f"`{name}`" for name in holders[:5])
        inside = (
            f"its folder {names} has one: choose that"
            if len(holders) == 1
            else f"{names} in it have one each: choose one of these"
        )
        return FileFault("missing_train", f"{said} itself; {inside}.")
    if unused:
        names = ", ".join(one.name for one in unused[:5])
        return FileFault(
            "missing_train",
            f"{said}, only {names}; rename the one to train on to train{suffix_of(unused[0])}, or choose that file.",
        )
    return FileFault("missing_train", f"{said}; add train.jsonl (or .json, .csv, .tsv, .parquet).")


def twins(files: Sequence[DataFile]) -> dict[Path, str]:
    """Files that stand for one split side by side (`train.csv` or `training.jsonl` beside `train.jsonl`), perhaps with the
    same rows twice: what to say of each but the first. Numbered parts of one file, and a split's own folder, are meant so.
    """
    groups: dict[tuple[Path, Split], dict[tuple[str, str], Path]] = {}
    for one in files:
        if one.path.parent.name.lower() not in SPLIT_NAMES:
            kinds = groups.setdefault((one.path.parent, one.split), {})
            kinds.setdefault((whole_name(one.path), suffix_of(one.path)), one.path)
    return {
        path: f"{' and '.join(one.name for one in kinds.values())} are both read; remove one of them where the rows are the same."
        for kinds in groups.values()
        for path in list(kinds.values())[1:]
    }


def given(files: Mapping[Split, Sequence[str | Path]]) -> Found:
    """Files whose splits were chosen, wherever they lie."""
    chosen = tuple(DataFile(user_path(one), split) for split in SPLITS for one in files.get(split, ()))
    if any(one.split == "train" for one in chosen):
        return Found(chosen)
    return Found(
        chosen, FileFault("missing_train", "None of the files is to train on; make one of them train.")
    )


def assigned(paths: Sequence[Path]) -> list[DataFile]:
    """Several files dropped at once, each with the split that its name says, whole or in part (`gsm8k_test.jsonl`); train
    where it says none."""
    return [DataFile(one, split_of_word(whole_name(one)) or "train") for one in paths]
