"""What is inside the bundle, with versions and licences: `components.json` and `THIRD_PARTY.txt`.

A distribution without any licence text or statement stops the build: it must not be passed on unseen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from appbundle.distributions import installed, metadata_folder
from appbundle.layout import APP_NAME
from appbundle.problem import BundleError

LICENCES = Path(__file__).with_name("licences")
# Wheels that bring no licence text: its name here, by how the wheel's metadata states the licence.
TEXTS_BY_STATEMENT = {
    "LGPL-3.0-only": ("LGPL-3.0.txt", "GPL-3.0.txt"),
    "Apache": ("Apache-2.0.txt",),
    "BSD": ("BSD-3-Clause.txt",),
    "MIT": ("MIT.txt",),
}
# Wheels that state nothing: from the projects' own repositories.
STATEMENTS = {"mlx-metal": "MIT", "tokenizers": "Apache-2.0", "sentencepiece": "Apache-2.0"}
LICENCE_PREFIXES = ("license", "licence", "copying", "notice", "authors")

HEADING = f"""{APP_NAME} contains the following software. Each part is under its own licence, given below it.

Qt and PySide6 are used under the GNU Lesser General Public License, version 3: they lie in the application as separate
libraries (Contents/Resources/lib/python*/site-packages/PySide6 and shiboken6) and may be replaced by others of the
same interface; after replacing them sign the application again (codesign --force --deep -s - "{APP_NAME}.app").
Their source code is published by The Qt Company at download.qt.io.
"""


@dataclass(frozen=True)
class Component:
    """One part of the bundle. `texts` are its licences and notices in full."""

    name: str
    version: str
    licence: str
    texts: tuple[str, ...]


def components(site_packages: Path, python: Component) -> list[Component]:
    """Python and every installed distribution, by name. Raises BundleError for one without a licence."""
    return [python, *(_component(name, found) for name, found in sorted(installed(site_packages).items()))]


def python_component(version: str, licence: Path) -> Component:
    """CPython; its licence file covers what it includes (OpenSSL, expat, libffi, ...)."""
    return Component("CPython (with OpenSSL)", version, "PSF-2.0; OpenSSL: Apache-2.0", (
        licence.read_text(encoding="utf-8"), (LICENCES / "Apache-2.0.txt").read_text(encoding="utf-8"),
    ))  # fmt: skip


def third_party_text(parts: Sequence[Component]) -> str:
    """The text that goes with the application."""
    lines = [HEADING]
    lines += [f"  {part.name} {part.version}: {part.licence}" for part in parts]
    for part in parts:
        lines += ["", "=" * 100, f"{part.name} {part.version}", f"Licence: {part.licence}", "=" * 100]
        lines += [text.strip() + "\n" for text in part.texts]
    return "\n".join(lines) + "\n"


def components_json(parts: Sequence[Component], facts: dict[str, str]) -> str:
    """Names, versions and licences without the texts, and `facts` about the build."""
    listed = [{key: value for key, value in asdict(part).items() if key != "texts"} for part in parts]
    return json.dumps({**facts, "components": listed}, indent=1, sort_keys=True) + "\n"


def _component(name: str, distribution: metadata.Distribution) -> Component:
    statement = _statement(name, distribution)
    texts = _own_texts(distribution) or _known_texts(statement)
    if not statement or not texts:
        raise BundleError(
            f"{name} {distribution.version} states no licence that the builder knows ({statement or 'nothing'}); "
            f"look it up and add it to packaging/appbundle/components.py."
        )
    return Component(name, distribution.version, statement, texts)


def _statement(name: str, distribution: metadata.Distribution) -> str:
    fields = distribution.metadata
    classifiers = [
        text.split(" :: ")[-1] for text in fields.get_all("Classifier") or () if text.startswith("License")
    ]
    stated = next((str(fields[key]) for key in ("License-Expression", "License") if key in fields), "")
    stated = stated or " / ".join(classifiers)
    first_line = stated.strip().splitlines()[0] if stated.strip() else ""
    return first_line or STATEMENTS.get(name, "")


def _own_texts(distribution: metadata.Distribution) -> tuple[str, ...]:
    folder = metadata_folder(distribution)
    found = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and _is_licence(path.relative_to(folder))
    ]
    return tuple(path.read_text(encoding="utf-8", errors="replace") for path in found)


def _is_licence(path: Path) -> bool:
    return path.parts[0] == "licenses" or path.name.lower().startswith(LICENCE_PREFIXES)


def _known_texts(statement: str) -> tuple[str, ...]:
    for word, names in TEXTS_BY_STATEMENT.items():
        if word in statement:
            return tuple((LICENCES / name).read_text(encoding="utf-8") for name in names)
    return ()
