"""`packaging/build-app`: assembles `dist/Droid Tune.app` from the package registries, on Linux or macOS."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from appbundle import distributions, frameworks, info_plist, thin, trim, wheels
from appbundle.components import components, components_json, python_component, third_party_text
from appbundle.icon import write_icns, write_retina_picture
from appbundle.launcher import build_launcher
from appbundle.layout import PYTHON, Layout, Platform, bundle_folder
from appbundle.manifest import manifest, settle, tree_size, write_zip
from appbundle.problem import BundleError
from appbundle.runtime import Runtime, add_linux_runtime, add_macos_runtime
from appbundle.tools import find_python

PROJECT = Path(__file__).resolve().parents[2]
PROJECT_NAME = "droid-tune"
ICON = PROJECT / "resources" / "icons" / "app-icon.svg"
IMAGE_BACKGROUND = PROJECT / "packaging" / "dmg-background.svg"
IMAGE_POINTS = (660, 400)

MEGABYTE = 1_000_000
LARGEST_BUNDLE = 420 * MEGABYTE
LARGEST_ZIP = 120 * MEGABYTE


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    try:
        root = build(options.platform, options.dist, options.python, options.python_source)
        report = describe(root, options.platform, None if options.no_zip else options.dist)
    except BundleError as error:
        print(f"build-app: {error}", file=sys.stderr)
        return 1
    print(f"{report}\nbuilt in {time.monotonic() - started:.0f} s")
    return 0


def build(platform: Platform, dist: Path, interpreter: Path | None, source: Path | None) -> Path:
    """Assembles the bundle below `dist` and returns its folder. An older one is replaced at the very end.

    `interpreter` is the Python whose runtime (Linux) or standard library (macOS, if nothing else has it) is taken.
    """
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=dist) as temporary:
        work = Path(temporary)
        layout = Layout(work / "bundle", platform)
        if platform == "linux":
            interpreter = interpreter or find_python(PYTHON)
            runtime = add_linux_runtime(layout, interpreter)
        else:
            runtime = add_macos_runtime(layout, work, source, interpreter)
        version = add_packages(layout, work, interpreter)
        build_launcher(layout, runtime.headers, work)
        add_descriptions(layout, runtime, version)
        thin.thin_tree(layout.contents)
        distributions.rewrite_records(layout.site_packages)
        settle(layout.root)
        return _replace(layout.root, bundle_folder(dist, platform))


def add_packages(layout: Layout, work: Path, interpreter: Path | None) -> str:
    """Installs the pinned wheels and the project's, trims them, and returns the project's version."""
    pinned: list[str | Path] = ["--require-hashes", "-r", PROJECT / "packaging" / "constraints.txt"]
    project = wheels.build_project_wheel(PROJECT, work / "wheel")
    for requirements in (pinned, [project]):
        if interpreter is not None and layout.platform == "linux":
            wheels.install_for_linux(requirements, layout.site_packages, interpreter)
        else:
            wheels.install_for_macos(requirements, layout.site_packages)
    wheels.remove_installer_traces(layout.site_packages)
    distributions.remove_unneeded(layout.site_packages, PROJECT_NAME, layout.platform)
    idle = trim.trim(layout.site_packages, layout.platform)
    if idle and layout.platform == "macos":
        print(f"build-app: these rules of trim.py match nothing any more: {', '.join(idle)}", file=sys.stderr)
    frameworks.restore_links(layout.site_packages)
    return distributions.installed(layout.site_packages)[PROJECT_NAME].version


def add_descriptions(layout: Layout, runtime: Runtime, version: str) -> None:
    """Info.plist, icon, components and licences."""
    layout.info_plist.write_bytes(info_plist.encoded(info_plist.info_plist(version)))
    (layout.contents / "PkgInfo").write_bytes(b"APPL????")
    write_icns(ICON, layout.icon)
    parts = components(layout.site_packages, python_component(runtime.version, layout.stdlib / "LICENSE.txt"))
    layout.third_party.write_text(third_party_text(parts), encoding="utf-8")
    facts = {
        "name": PROJECT_NAME,
        "version": version,
        "python": runtime.version,
        "python_origin": runtime.origin,
    }
    layout.components.write_text(components_json(parts, facts), encoding="utf-8")


def describe(root: Path, platform: Platform, dist: Path | None) -> str:
    """Writes the manifest and, into `dist`, the zip file; says what was built. Raises BundleError when it is too big."""
    contents = {
        **manifest(root),
        "inside": json.loads(Layout(root, platform).components.read_text(encoding="utf-8")),
    }
    listing = root.with_name(f"{root.name}.manifest.json")
    listing.write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n")
    size = tree_size(root)
    lines = [f"{root}: {size / MEGABYTE:.1f} MB, digest {contents['digest']}"]
    if platform == "macos" and size > LARGEST_BUNDLE:
        raise BundleError(f"{lines[0]}: more than {LARGEST_BUNDLE // MEGABYTE} MB; see what can be trimmed.")
    if dist is not None and platform == "macos":
        write_retina_picture(IMAGE_BACKGROUND, dist / "dmg-background.png", IMAGE_POINTS)
        archive = dist / f"{root.stem.replace(' ', '-')}-macos-arm64.zip"
        write_zip(root, archive)
        zipped = archive.stat().st_size
        lines.append(f"{archive}: {zipped / MEGABYTE:.1f} MB")
        if zipped > LARGEST_ZIP:
            raise BundleError(f"{lines[1]}: more than {LARGEST_ZIP // MEGABYTE} MB; see what can be trimmed.")
    return "\n".join(lines)


def _replace(fresh: Path, target: Path) -> Path:
    if target.exists():
        shutil.rmtree(target)
    return fresh.rename(target)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build-app", description=__doc__)
    parser.add_argument(
        "--platform", choices=("macos", "linux"), default="macos", help="linux: the same, to try it here"
    )
    parser.add_argument(
        "--dist", type=Path, default=PROJECT / "dist", help="the folder to build in (default: dist)"
    )
    parser.add_argument(
        "--python", type=Path, help=f"an installed Python {PYTHON} (default: found where one is needed)"
    )
    parser.add_argument(
        "--python-source", type=Path, help="CPython's source archive, or the prefix of an installed Python"
    )
    parser.add_argument("--no-zip", action="store_true", help="leave the zip file out")
    return parser
