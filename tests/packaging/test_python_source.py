"""Where the standard library comes from, and that it must be of the very version."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from appbundle import debian, python_source
from appbundle.problem import BundleError
from appbundle.runtime import runtime_version

FILES = {
    "Python-3.13.99/Lib/os.py": "os",
    "Python-3.13.99/Include/Python.h": "h",
    "Python-3.13.99/Include/patchlevel.h": '#define PY_VERSION   "3.13.99"\n',
    "Python-3.13.99/LICENSE": "PSF",
    "Python-3.13.99/Modules/main.c": "not needed",
}


def archive(path: Path) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name, text in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_library_headers_and_licence_come_out_of_an_archive(tmp_path: Path) -> None:
    chosen = archive(tmp_path / "Python-3.13.99.tar.xz")
    source = python_source.python_source("3.13.99", chosen, Path("unused"))
    assert (source.library / "os.py").read_text() == "os"
    assert (source.headers / "Python.h").exists()
    assert source.licence.read_text() == "PSF"
    assert not (source.library.parent / "Modules").exists()
    assert hashlib.sha256(chosen.read_bytes()).hexdigest() in source.origin


def test_another_version_is_refused_with_both_named(tmp_path: Path) -> None:
    chosen = archive(tmp_path / "x.tar.xz")
    with pytest.raises(BundleError, match=r"is Python 3\.13\.99, but the runtime is 3\.13\.15"):
        python_source.python_source("3.13.15", chosen, Path("unused"))


def test_an_installed_python_serves_too_without_its_own_configuration(tmp_path: Path) -> None:
    for name, text in {
        "include/python3.13/patchlevel.h": '#define PY_VERSION "3.13.99"\n',
        "include/python3.13/pyconfig.h": "of another platform",
        "lib/python3.13/os.py": "os",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    source = python_source.python_source("3.13.99", tmp_path, Path("unused"))
    assert source.library == tmp_path / "lib" / "python3.13"
    assert not (source.headers / "pyconfig.h").exists()


def test_an_archive_with_other_bytes_than_the_known_ones_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(package: str, version: str, folder: Path) -> Path:
        assert (package, version) == ("python3.13", "3.13.15")
        return archive(folder / "python3.13_3.13.15.orig.tar.xz")

    monkeypatch.setattr(debian, "source_archive", fetch)
    with pytest.raises(BundleError, match="has another sha256 than the one this project knows"):
        python_source.python_source("3.13.15", None, Path("unused"))


def test_nothing_fitting_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(debian, "source_archive", lambda package, version, folder: None)
    with pytest.raises(BundleError, match=r"please install Python 3\.13\.98, or name its source archive"):
        python_source.python_source("3.13.98", None, Path(sys.executable))


def test_the_runtimes_version_is_read_from_its_wheel(tmp_path: Path) -> None:
    (tmp_path / "frozen").mkdir()
    listing = tmp_path / "frozen" / "frozen-cpython-313-darwin.json"
    listing.write_text('{"__version__": "3.13.15 (v3.13.15:4061bc4c35f)"}')
    assert runtime_version(tmp_path) == "3.13.15"
    listing.write_text('{"__version__": "3.12.1 (x)"}')
    with pytest.raises(BundleError, match=r"brings Python 3\.12\.1, but the bundle is made for 3\.13"):
        runtime_version(tmp_path)
