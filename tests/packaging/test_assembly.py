"""The pieces of build-app, each on its own: trims, frameworks, records, licences, times, pictures."""

from __future__ import annotations

import json
import os
import re
import struct
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import transformers
from icnsutil import IcnsFile

from appbundle import build, frameworks, info_plist, trim
from appbundle.components import Component, components, components_json, third_party_text
from appbundle.distributions import installed, remove_unneeded, required, rewrite_records
from appbundle.icon import SIZES, density_chunk, png, write_icns, write_retina_picture
from appbundle.layout import Layout, bundle_folder
from appbundle.manifest import FIRST_TIME, build_time, manifest, settle, tree_size, write_zip
from appbundle.problem import BundleError
from appbundle.shell import run
from appbundle.wheels import remove_installer_traces
from tests.packaging.tiny_bundle import make_bundle


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- trims ---------------------------------------------------------------------------------------------------------


def test_trimming_takes_tests_and_tools_and_leaves_models_and_used_libraries(tmp_path: Path) -> None:
    kept = (
        "transformers/models/llama/modeling_llama.py",
        "transformers/models/llama/tokenization_llama.py",
        "mlx/lib/mlx.metallib",
        "mlx/core.so",
        "numpy/testing/__init__.py",
        "pygments/lexers/python.py",
        "PySide6/QtCore.abi3.so",
        "PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore",
        "PySide6/Qt/plugins/platforms/libqcocoa.dylib",
    )
    dropped = (
        "numpy/tests/test_x.py",
        "numpy/__init__.pyi",
        "mlx/include/mlx.h",
        "pygments/lexers/cobol.py",
        "transformers/models/llama/modular_llama.py",
        "PySide6/lupdate",
        "PySide6/QtQml.abi3.so",
        "PySide6/Qt/lib/QtQml.framework/Versions/A/QtQml",
        "PySide6/Qt/plugins/sqldrivers/libqsqlpsql.dylib",
        "PySide6/support/__pycache__/x.pyc",
    )
    touch(tmp_path, *kept, *dropped)
    trim.trim(tmp_path, "macos")
    standins = {"PySide6/QtOpenGL.py", "PySide6/QtOpenGLWidgets.py"}
    assert names(tmp_path) == set(kept) | standins


def test_a_rule_without_a_match_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "PySide6/lupdate")
    idle = trim.trim(tmp_path, "macos")
    assert "PySide6/lupdate" not in idle
    assert "mlx/include" in idle


def test_every_trim_says_why() -> None:
    for rule in trim.RULES:
        assert len(rule.why.split()) >= 1
        generators = rule.pattern.endswith("/modular_*.py")
        assert generators or not rule.pattern.startswith("transformers/models"), "any model may be the user's"


def test_no_model_imports_what_models_are_generated_from() -> None:
    models = Path(transformers.__path__[0], "models")
    files = [path for path in models.glob("*/*.py") if not path.name.startswith("modular_")]
    importing = re.compile(rb"^\s*(?:from|import)\s.*\bmodular_", re.MULTILINE)
    assert len(files) > 1000
    assert [path.name for path in files if importing.search(path.read_bytes())] == []


def test_frameworks_get_the_links_that_wheels_cannot_hold(tmp_path: Path) -> None:
    framework = tmp_path / "QtCore.framework"
    touch(framework, "Versions/A/QtCore", "Versions/A/Resources/Info.plist", "Resources/Info.plist")
    frameworks.restore_links(tmp_path)
    frameworks.restore_links(tmp_path)  # a second time changes nothing
    assert str((framework / "Versions" / "Current").readlink()) == "A"
    assert str((framework / "QtCore").readlink()) == "Versions/Current/QtCore"
    assert str((framework / "Resources").readlink()) == "Versions/Current/Resources"
    assert (framework / "QtCore").read_text() == "Versions/A/QtCore"


# --- distributions -------------------------------------------------------------------------------------------------


def distribution(folder: Path, name: str, *requires: str, licence: str = "MIT") -> None:
    info = folder / f"{name}-1.0.dist-info"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0"]
    lines += [f"License-Expression: {licence}"] if licence else []
    touch(folder, f"{name}/__init__.py")
    info.mkdir()
    (info / "METADATA").write_text(
        "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires)]) + "\n"
    )
    files = (f"{name}/__init__.py", f"{name}-1.0.dist-info/METADATA", f"{name}-1.0.dist-info/RECORD")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_only_what_the_project_needs_on_the_platform_stays(tmp_path: Path) -> None:
    distribution(tmp_path, "app", "a>=1", "linux_only; sys_platform == 'linux'", "builder; extra == 'dev'")
    distribution(tmp_path, "a", "b[fast]")
    distribution(tmp_path, "b", "c; extra == 'fast'", "d; extra == 'slow'")
    for name in ("c", "d", "linux_only", "builder"):
        distribution(tmp_path, name)
    assert required(tmp_path, "app", "macos") == {"app": "the bundle", "a": "app", "b": "a", "c": "b"}
    assert remove_unneeded(tmp_path, "app", "macos") == ["builder", "d", "linux-only"]
    assert set(installed(tmp_path)) == {"app", "a", "b", "c"}
    assert not (tmp_path / "builder").exists()


def test_records_tell_the_truth_after_a_trim(tmp_path: Path) -> None:
    distribution(tmp_path, "app")
    touch(tmp_path, "app/gone.py")
    record = tmp_path / "app-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "app/gone.py,sha256=x,1\n../../bin/app,,\n")
    (tmp_path / "app" / "gone.py").unlink()
    rewrite_records(tmp_path)
    rows = dict(line.split(",", 1) for line in record.read_text().splitlines())
    assert set(rows) == {"app/__init__.py", "app-1.0.dist-info/METADATA", "app-1.0.dist-info/RECORD"}
    assert rows["app/__init__.py"].endswith(f",{len('app/__init__.py')}")
    files = metadata.Distribution.at(record.parent).files
    assert files is not None
    assert all(file.locate().exists() for file in files)


def test_what_only_the_installer_needed_goes(tmp_path: Path) -> None:
    distribution(tmp_path, "app")
    touch(tmp_path, "app-1.0.dist-info/direct_url.json", "bin/app", "share/man/x.1", ".lock")
    remove_installer_traces(tmp_path)
    assert {name.split("/")[0] for name in names(tmp_path)} == {"app", "app-1.0.dist-info"}
    assert not (tmp_path / "app-1.0.dist-info" / "direct_url.json").exists()


# --- licences ------------------------------------------------------------------------------------------------------

PYTHON = Component("CPython", "3.13.15", "PSF-2.0", ("the PSF's text",))


def test_every_component_comes_with_its_licence_in_full(tmp_path: Path) -> None:
    distribution(tmp_path, "own")
    touch(tmp_path, "own-1.0.dist-info/licenses/LICENSE")
    distribution(tmp_path, "qt", licence="LGPL-3.0-only OR GPL-2.0-only")
    text = third_party_text(components(tmp_path, PYTHON))
    assert "own 1.0: MIT" in text
    assert "own-1.0.dist-info/licenses/LICENSE" in text  # the file's text, which `touch` made its name
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert "GNU GENERAL PUBLIC LICENSE" in text  # the lesser one refers to it
    assert "the PSF's text" in text


def test_a_package_without_a_licence_stops_the_build(tmp_path: Path) -> None:
    distribution(tmp_path, "strange", licence="")
    with pytest.raises(
        BundleError, match=r"strange 1\.0 states no licence that the builder knows \(nothing\)"
    ):
        components(tmp_path, PYTHON)


def test_the_list_of_components_has_versions_and_no_texts(tmp_path: Path) -> None:
    distribution(tmp_path, "own")
    listed = json.loads(components_json(components(tmp_path, PYTHON), {"version": "0.1.0"}))
    assert listed["version"] == "0.1.0"
    assert {"name": "own", "version": "1.0", "licence": "MIT"} in listed["components"]


# --- the finished bundle -------------------------------------------------------------------------------------------


def test_the_same_files_give_the_same_bytes_whenever_and_however_they_were_made(tmp_path: Path) -> None:
    archives: list[bytes] = []
    for number, umask in enumerate((0o022, 0o077)):
        before = os.umask(umask)
        layout = make_bundle(tmp_path / str(number) / "Droid Tune.app")
        os.umask(before)
        os.utime(layout.executable, (number, number))
        settle(layout.root)
        write_zip(layout.root, tmp_path / "app.zip")
        archives.append((tmp_path / "app.zip").read_bytes())
    assert archives[0] == archives[1]


def test_the_zip_holds_links_and_modes(tmp_path: Path) -> None:
    layout = make_bundle(tmp_path / "Droid Tune.app")
    settle(layout.root)
    write_zip(layout.root, tmp_path / "app.zip")
    with zipfile.ZipFile(tmp_path / "app.zip") as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        link = next(name for name in modes if name.endswith("Versions/Current"))
        assert archive.read(link) == b"A"
    assert modes[link] & 0o170000 == 0o120000
    assert modes["Droid Tune.app/Contents/MacOS/droid-tune"] & 0o777 == 0o755
    assert modes["Droid Tune.app/Contents/Info.plist"] & 0o777 == 0o644


def test_another_build_has_another_time_so_that_old_byte_code_is_never_taken(tmp_path: Path) -> None:
    layout = make_bundle(tmp_path / "Droid Tune.app")
    source = layout.site_packages / "droid_tune" / "__init__.py"
    times: list[float] = []
    for version in ("0.1.0", "0.2.0"):  # the same length: Python compares a source's time and size
        source.write_text(f'__version__ = "{version}"\n')
        settle(layout.root)
        times.append(source.stat().st_mtime)
    assert times[0] != times[1]


def test_build_times_are_even_and_within_zips_calendar() -> None:
    assert build_time("0" * 64) == FIRST_TIME
    for digest in ("1", "ff", "f" * 64):
        assert build_time(digest) % 2 == 0  # zip counts in steps of two seconds
        assert FIRST_TIME <= build_time(digest) < FIRST_TIME + 400 * 86400


def test_the_manifest_sees_a_changed_byte_and_a_changed_link(tmp_path: Path) -> None:
    layout = make_bundle(tmp_path / "Droid Tune.app")
    before = manifest(layout.root)
    layout.icon.write_bytes(layout.icon.read_bytes() + b"x")
    after = manifest(layout.root)
    assert before["digest"] != after["digest"]
    (layout.contents / "link").symlink_to("Info.plist")
    assert manifest(layout.root)["digest"] != after["digest"]


def test_size_counts_a_linked_file_once(tmp_path: Path) -> None:
    touch(tmp_path, "abc")
    (tmp_path / "link").symlink_to("abc")
    assert tree_size(tmp_path) == 3


def test_the_manifest_beside_the_bundle_names_versions_and_digests(tmp_path: Path) -> None:
    layout = make_bundle(tmp_path / "Droid Tune.app")
    build.describe(layout.root, "macos", None)
    listing = json.loads((tmp_path / "Droid Tune.app.manifest.json").read_text())
    assert {"name": "mlx", "version": "0.1.0", "licence": "MIT"} in listing["inside"]["components"]
    assert len(listing["files"]["Contents/Info.plist"]["sha256"]) == 64
    assert listing["digest"] == manifest(layout.root)["digest"]


def test_a_bundle_over_the_limit_is_said_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = make_bundle(tmp_path / "Droid Tune.app")
    monkeypatch.setattr(build, "LARGEST_BUNDLE", 1000)
    with pytest.raises(BundleError, match="more than 0 MB; see what can be trimmed"):
        build.describe(layout.root, "macos", None)


# --- Info.plist, icon, picture -------------------------------------------------------------------------------------


def test_info_plist_has_the_keys_that_a_mac_asks_for() -> None:
    properties = info_plist.info_plist("1.2.3")
    assert properties["CFBundleShortVersionString"] == "1.2.3"
    assert properties["LSMinimumSystemVersion"] == "14.0"
    assert properties["NSHighResolutionCapable"] is True
    assert properties["NSRequiresAquaSystemAppearance"] is False
    assert properties["NSSupportsSuddenTermination"] is False
    folder = info_plist.DOCUMENT_TYPES[0]
    assert folder["LSItemContentTypes"] == ["public.folder"]
    assert folder["LSHandlerRank"] == "Alternate"  # never the default for folders: that is the Finder


def test_the_icon_is_drawn_in_every_size(tmp_path: Path) -> None:
    write_icns(build.ICON, tmp_path / "icon.icns")
    media = IcnsFile(str(tmp_path / "icon.icns")).media
    assert set(SIZES) <= set(media)
    for key, pixels in SIZES.items():
        assert struct.unpack_from(">II", media[key], 16) == (pixels, pixels)  # PNG's header


def test_the_icon_leaves_its_corners_clear_and_fills_its_middle() -> None:
    small = png(build.ICON, 64)
    assert small[25] == 6  # red, green, blue and opacity
    assert len(small) > 1000


def test_the_disk_images_background_says_that_it_is_for_retina(tmp_path: Path) -> None:
    write_retina_picture(build.IMAGE_BACKGROUND, tmp_path / "b.png", (660, 400))
    content = (tmp_path / "b.png").read_bytes()
    assert struct.unpack_from(">II", content, 16) == (1320, 800)
    assert density_chunk(5669) in content[:64]  # 5669 pixels a metre are 144 an inch


# --- the rest ------------------------------------------------------------------------------------------------------


def test_the_linux_trial_has_the_same_folders(tmp_path: Path) -> None:
    mac, linux = Layout(tmp_path, "macos"), Layout(tmp_path, "linux")
    assert mac.executable == linux.executable
    assert mac.site_packages == linux.site_packages
    assert mac.python_library.parent == linux.python_library.parent
    assert bundle_folder(tmp_path, "macos").name == "Droid Tune.app"


def test_a_program_that_fails_is_quoted_and_one_that_is_missing_is_named() -> None:
    with pytest.raises(BundleError, match=r"failed with exit code 3:\nit broke"):
        run(["sh", "-c", "echo it broke >&2; exit 3"])
    with pytest.raises(BundleError, match="no-such-program is needed to build the bundle"):
        run(["no-such-program"])
