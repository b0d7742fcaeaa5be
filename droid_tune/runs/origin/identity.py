"""What a run began with, kept in its folder, so that a resume can say what has changed since.

The settings, the digests of the model's files, of its chat template and its tokenizer's settings, of the reward files (with
their text) and what they import beside them, of the models that judge and teach, and of the data; the versions of packages.
Imports no MLX: the command line and the window ask before anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from droid_tune.config import RunConfig, build
from droid_tune.config.asking.reaching_out import served_files
from droid_tune.config.asking.reward_modules import modules_beside
from droid_tune.config.environments import ENVIRONMENT, OwnCodeConfig
from droid_tune.config.rewards import UserFileReward
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset
from droid_tune.data.issues import FileFault
from droid_tune.data.reading.fingerprint import Fingerprint, change_of, fingerprint
from droid_tune.errors import UserError, abbreviated
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import NAMED_TEMPLATES
from droid_tune.names import LAST
from droid_tune.paths import RunPaths, private_folder, user_path
from droid_tune.runs.disk.durable import write_text
from droid_tune.runs.folder import read_config
from droid_tune.runs.origin.companions import companions_of, judging_companions, model_parts
from droid_tune.runs.origin.packages import package_changes, packages_of
from droid_tune.runs.verification import doubts_about_checkpoints

_TEMPLATES = ("chat_template.jinja", "chat_template.json")
#: settings that decide no number: of lists, of when to save
_FREE = ("name", "checkpoint")
#: the Hub's cache names a large file by its digest
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Identity:
    """What decides a run's numbers. `rewards` holds the text of each reward file by the reward's name, `modules` the digests of
    what these import beside them, by name and path, `companions` the files of other models by what a sentence calls these,
    `packages` the versions of libraries."""

    settings: Mapping[str, Any]
    model: tuple[Fingerprint, ...]
    template: str
    tokenizer: Mapping[str, str]
    rewards: Mapping[str, str]
    modules: Mapping[str, Mapping[str, str]]
    data: tuple[Fingerprint, ...]
    companions: Mapping[str, tuple[Fingerprint, ...]] = field(
        default_factory=dict[str, tuple[Fingerprint, ...]]
    )
    packages: Mapping[str, str] = field(default_factory=dict[str, str])


def identity_of(
    config: RunConfig, dataset: Dataset, run: Path | None = None, watch: Watch = UNWATCHED
) -> Identity:
    """Read what a run of `config`, in the folder `run`, begins with now. Raises Stopped between two files."""
    folder = local_model(config.model.path, config.model.revision)
    return Identity(
        settings=config.model_dump(mode="json"),
        model=_printed(model_parts(folder), watch),
        template=_template(folder),
        tokenizer=_tokenizer_settings(folder),
        rewards=dict(_reward_texts(config)),
        modules=dict(_reward_modules(config)),
        data=dataset.fingerprints,
        companions=_companion_prints(config, run, watch),
        packages=packages_of(config),
    )


def keep_identity(folder: Path, identity: Identity) -> None:
    """Write it into a run's folder, and the reward files' texts beside it. Raises DiskError."""
    paths = RunPaths(folder)
    texts = {name: text for name, text in identity.rewards.items() if text}
    if texts:
        private_folder(paths.rewards)
    for name, text in texts.items():
        write_text(kept_reward(folder, name), text)
    values = {
        "settings": identity.settings,
        "model": [one.to_json() for one in identity.model],
        "template": identity.template,
        "tokenizer": identity.tokenizer,
        "rewards": {name: _digest(text) for name, text in identity.rewards.items()},
        "modules": identity.modules,
        "data": [one.to_json() for one in identity.data],
        "companions": {
            name: [one.to_json() for one in prints] for name, prints in identity.companions.items()
        },
        "packages": identity.packages,
    }
    write_text(paths.identity, json.dumps(values, indent=1))


def keep_rewards_anew(folder: Path, config: RunConfig) -> None:
    """The reward files were mended while the run waited: they are what it goes on with. Raises DiskError."""
    known = _known(folder)
    if known is None:
        return
    texts = dict(_reward_texts(config))
    for name, text in texts.items():
        write_text(kept_reward(folder, name), text)
    known["rewards"] = {name: _digest(text) for name, text in texts.items()}
    known["modules"] = dict(_reward_modules(config))
    reopened = judging_companions(config)
    prints = _companion_prints(config, folder, UNWATCHED).items()
    known["companions"] = {
        **_mapping(known.get("companions")),
        **{name: [one.to_json() for one in found] for name, found in prints if name in reopened},
    }
    write_text(RunPaths(folder).identity, json.dumps(known, indent=1))


def kept_reward(folder: Path, name: str) -> Path:
    """Where a run keeps the text of a reward file."""
    return RunPaths(folder).rewards / f"{re.sub('[^A-Za-z0-9_.-]', '_', name)}.py"


def kept_data(folder: Path) -> list[Fingerprint]:
    """The data files that a run began with; none where it did not say (an older version's run)."""
    return _prints((_known(folder) or {}).get("data"))


def changes_since(folder: Path) -> list[str]:
    """A sentence for everything that is not as it was when the run was trained last, and where that is not known any more.

    Raises UserError where the run's settings cannot be read.
    """
    return [*changes_beside_data(folder, read_config(folder)), *_data_changes(_known(folder) or {})]


def doubts_of(folder: Path, checkpoint: str = LAST) -> list[str]:
    """What its user should know, and be asked about, before a run is resumed: one sentence each."""
    damaged = doubts_about_checkpoints(folder) if checkpoint == LAST else []
    return [*damaged, *changes_since(folder)]


def changes_beside_data(folder: Path, config: RunConfig) -> list[str]:
    """The same without the data, which a checkpoint knows too."""
    known = _known(folder)
    if known is None or not _mapping(known.get("settings")):
        return _nothing_kept(RunPaths(folder))
    model = local_model(config.model.path, config.model.revision)
    found = [*_setting_changes(known, config), *_model_changes(known, model)]
    if known.get("template") not in (None, _template(model)):
        found.append("The model's chat template changed since the run began.")
    before, now = _mapping(known.get("tokenizer")), _tokenizer_settings(model)
    changed = [name for name in sorted({*before, *now}) if before and before.get(name) != now.get(name)]
    found += [f"The tokenizer's `{name}` changed since the run began." for name in changed]
    found += [*_reward_changes(known, config, folder), *_module_changes(known, config)]
    found += package_changes(_mapping(known.get("packages")), packages_of(config))
    return [*found, *_companion_changes(known, config, folder)]


def _known(folder: Path) -> dict[str, Any] | None:
    """What was kept; None where there is none (an older version's run), or a damaged one."""
    try:
        value: Any = json.loads(RunPaths(folder).identity.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _nothing_kept(paths: RunPaths) -> list[str]:
    """What to say of a run that was trained and does not tell with what; of a new one nothing."""
    if not paths.checkpoint_folders():
        return []
    fault = "damaged" if os.path.lexists(paths.identity) else "missing"
    return [
        f"Whether model, rewards and data are still those that the run began with is not known: {paths.identity} is {fault}."
    ]


def _setting_changes(known: Mapping[str, Any], config: RunConfig) -> Iterator[str]:
    before = dict(flat_settings(_as_read_now(_mapping(known.get("settings")))))
    now = dict(flat_settings(config.model_dump(mode="json")))
    for path in dict.fromkeys((*before, *now)):
        if path.split(".")[0] in _FREE or before.get(path) == now.get(path) or not before:
            continue
        yield f"`{path}` was {abbreviated(before.get(path))} and is {abbreviated(now.get(path))} now."


def _as_read_now(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """An older version's settings as a run's own file of then is read: new ones at their defaults, old names made new."""
    try:
        return build(dict(settings), "").model_dump(mode="json")
    except UserError:
        return settings


def _model_changes(known: Mapping[str, Any], folder: Path | None) -> Iterator[str]:
    prints = _prints(known.get("model"))
    if folder is None:
        if prints:
            yield f"The model is no longer at {Path(prints[0].path).parent}."
        return
    for one in prints:
        file = Path(one.path)
        if change_of(one) is not None:
            what = "weights" if file.suffix == ".safetensors" else f"`{file.name}`"
            yield f"The model's {what} changed since the run began: {file}."
    yield from _added_files("The model", prints, model_parts(folder))


def _added_files(what: str, prints: list[Fingerprint], now: Iterable[Path]) -> Iterator[str]:
    added = {str(file) for file in now} - {one.path for one in prints}
    if prints and added:
        yield f"{what} has other files than when the run began: {', '.join(sorted(added))}."


def _companion_changes(known: Mapping[str, Any], config: RunConfig, folder: Path) -> Iterator[str]:
    """Of those that the settings still name; others are told as a setting that changed."""
    before = _mapping(known.get("companions"))
    for name, files in companions_of(config, folder).items():
        prints = _prints(before.get(name))
        changed = [one.path for one in prints if change_of(one) is not None]
        yield from (f"{name} changed since the run began: {path}." for path in changed)
        if not changed:
            yield from _added_files(name, prints, files)


def _reward_changes(known: Mapping[str, Any], config: RunConfig, folder: Path) -> Iterator[str]:
    before = _mapping(known.get("rewards"))
    for name, text in _reward_texts(config):
        if name in before and before[name] != _digest(text):
            gone = "can no longer be read" if not text else "changed since the run began"
            yield f"The file of the {_whose(name)} {gone}; its text of then is {kept_reward(folder, name)}."


def _whose(name: str) -> str:
    return "environment" if name == ENVIRONMENT else f"reward `{name}`"


def _module_changes(known: Mapping[str, Any], config: RunConfig) -> Iterator[str]:
    before = _mapping(known.get("modules"))
    served = {str(one) for one in served_files(config)}
    for name, now in _reward_modules(config):
        if name not in before:
            continue
        then = _mapping(before[name])
        for path in sorted({*then, *now}):
            if then.get(path) != now.get(path):
                whose = (
                    "of the environment"
                    if path in served
                    else f"which the file of the {_whose(name)} imports"
                )
                yield f"{path}, {whose}, changed since the run began."


def _data_changes(known: Mapping[str, Any]) -> Iterator[str]:
    yield from (said for said in map(change_of, _prints(known.get("data"))) if said is not None)


def _prints(value: Any) -> list[Fingerprint]:
    """The fingerprints in what was kept; none of those that have another shape."""
    entries: list[Any] = value if isinstance(value, list) else []
    found: list[Fingerprint] = []
    for entry in entries:
        try:
            found.append(Fingerprint.from_json(entry))
        except (KeyError, TypeError):
            continue
    return found


def _companion_prints(
    config: RunConfig, run: Path | None, watch: Watch
) -> dict[str, tuple[Fingerprint, ...]]:
    return {name: _printed(files, watch) for name, files in companions_of(config, run).items()}


def _printed(files: Iterable[Path], watch: Watch) -> tuple[Fingerprint, ...]:
    return tuple(_print_of(file, watch) for file in files)


def _print_of(file: Path, watch: Watch) -> Fingerprint:
    """The file's fingerprint; its content is not read where the Hub's cache tells the digest."""
    watch.pause_point()
    named = file.resolve().name
    if _DIGEST.fullmatch(named):
        status = file.stat()
        return Fingerprint(str(file), status.st_size, status.st_mtime_ns, named, status.st_ctime_ns)
    try:
        return fingerprint(file, watch)
    except FileFault as fault:
        raise UserError(fault.message, place=str(file)) from None


def _template(folder: Path | None) -> str:
    """The digest of the model's chat templates, as its files have them."""
    if folder is None:
        return ""
    texts = [_text(folder / name) for name in _TEMPLATES]
    named = [one for file in sorted(folder.glob(NAMED_TEMPLATES)) for one in (file.name, _text(file))]
    return _digest(json.dumps([*texts, _tokenizer_config(folder).get("chat_template"), *named]))


def _tokenizer_settings(folder: Path | None) -> dict[str, str]:
    """The digest of each setting of the tokenizer's (special tokens, spaces, ...) but the template, by its name."""
    values = {} if folder is None else _tokenizer_config(folder)
    return {
        name: _digest(json.dumps(value, sort_keys=True))
        for name, value in values.items()
        if name != "chat_template"
    }


def _tokenizer_config(folder: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(_text(folder / "tokenizer_config.json")))
    except (ValueError, RecursionError):
        return {}


def _own_files(config: RunConfig) -> Iterator[tuple[str, Path]]:
    """Name and file of each reward, and of the environment, that is a file of the user's."""
    if isinstance(config.environment, OwnCodeConfig):
        yield ENVIRONMENT, config.environment.file
    for reward in config.rewards if config.samples else ():
        if isinstance(reward, UserFileReward):
            yield reward.name or reward.type, user_path(reward.path)


def _reward_texts(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Name and text of each such file; empty where it cannot be read."""
    yield from ((name, _text(file)) for name, file in _own_files(config))


def _reward_modules(config: RunConfig) -> Iterator[tuple[str, dict[str, str]]]:
    """Name of each such file, and the digests of what it imports beside it; all files of a served environment."""
    for name, file in _own_files(config):
        yield name, {str(one): _digest(_text(one)) for one in modules_beside(file)}
    if served := served_files(config):
        yield ENVIRONMENT, {str(one): _digest(_text(one)) for one in served}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def flat_settings(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted path; what stands in a list by its number there."""
    for key, value in tree.items():
        path = f"{above}{key}"
        if isinstance(value, list):
            value = {str(place): one for place, one in enumerate(cast("list[Any]", value))}
        if isinstance(value, dict) and value:
            yield from flat_settings(cast("dict[str, Any]", value), f"{path}.")
        else:
            yield path, value


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
