"""check-app finds every planted fault, names its place, and finds nothing in a good bundle."""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest

from appbundle import check, checks, checks_contents
from appbundle.layout import Layout
from tests.packaging.tiny_bundle import QT_CORE, SYSTEM, make_bundle
from tests.packaging.tiny_macho import X86_64, Spec, macho, universal


@pytest.fixture
def bundle(tmp_path: Path) -> Layout:
    return make_bundle(tmp_path / "Droid Tune.app")


def found(bundle: Layout) -> list[str]:
    return [str(fault) for fault in checks.check(bundle.root)]


def test_a_good_bundle_has_no_fault(bundle: Layout) -> None:
    assert found(bundle) == []


Plant = Callable[[Layout], object]


def in_packages(name: str, content: bytes) -> Plant:
    def plant(bundle: Layout) -> None:
        path = bundle.site_packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return plant


def without(name: str) -> Plant:
    return lambda bundle: (bundle.site_packages / name).unlink()


def flipped(bundle: Layout) -> None:
    path = bundle.site_packages / "mlx" / "lib" / "libmlx.dylib"
    content = bytearray(path.read_bytes())
    content[8000] ^= 0x10
    path.write_bytes(content)


def with_property(key: str, value: object) -> Plant:
    def plant(bundle: Layout) -> None:
        properties = plistlib.loads(bundle.info_plist.read_bytes())
        properties[key] = value
        bundle.info_plist.write_bytes(plistlib.dumps(properties))

    return plant


PROJECT = Path(__file__).resolve().parents[2]
QT_LIBRARY = "PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore"

FAULTS: list[tuple[str, Plant, str]] = [
    ("a flipped byte", flipped, "mlx/lib/libmlx.dylib: page 1 (sha256) differs from what was signed"),
    ("a missing framework", without(QT_LIBRARY), f"it needs {QT_CORE}, which is not in the bundle"),
    ("no Metal kernels", without("mlx/lib/mlx.metallib"), "mlx.metallib is not beside it"),
    (
        "Metal kernels that are none",
        in_packages("mlx/lib/mlx.metallib", b"HTML"),
        "mlx.metallib is not beside it",
    ),
    (
        "a wheel for a newer macOS",
        in_packages("new.so", macho(Spec(minimum_system=(15, 0)))),
        "new.so: it needs macOS 15.0.0, the bundle says 14.0",
    ),
    (
        "no minimum system",
        in_packages("old.so", macho(Spec(minimum_system=None))),
        "it does not say which macOS",
    ),
    ("an Intel library", in_packages("intel.so", macho(Spec(cpu=X86_64))), "it is for X86_64, not for arm64"),
    (
        "a universal library",
        in_packages("fat.so", universal(macho(Spec()), macho(Spec(cpu=X86_64)))),
        "it is for ARM64, X86_64, not for arm64 alone",
    ),
    (
        "an unsigned library",
        in_packages("bare.so", macho(Spec(signed=False))),
        "bare.so: it has no code signature",
    ),
    (
        "a library of the building machine",
        in_packages("brew.so", macho(Spec(libraries=(SYSTEM, "/opt/homebrew/lib/libfoo.dylib")))),
        "it needs /opt/homebrew/lib/libfoo.dylib, which is not in the bundle",
    ),
    (
        "a symbol that its library lacks",
        in_packages(
            "mlx/extra.so",
            macho(
                Spec(
                    libraries=("@rpath/libmlx.dylib",), rpaths=("@loader_path/lib",), imports=(("_gone", 1),)
                )
            ),
        ),
        "mlx/extra.so: _gone is not in libmlx.dylib",
    ),
    (
        "a symbol of another Python",
        in_packages("ext.so", macho(Spec(imports=(("_PyNew_Thing", 0xFE),)))),
        "_PyNew_Thing is not in libpython3.13.dylib",
    ),
    (
        "a file that only begins well",
        in_packages("cut.so", macho(Spec())[:40]),
        "cut.so: its load commands or its code signature are cut short",
    ),
    ("byte code", in_packages("droid_tune/x.pyc", b"\0"), "byte code does not belong into the bundle"),
    (
        "a missing requirement",
        lambda bundle: _remove_metadata(bundle, "mlx"),
        "droid-tune needs mlx, which is not installed",
    ),
    (
        "a needless package",
        in_packages("pip-1.dist-info/METADATA", b"Metadata-Version: 2.4\nName: pip\nVersion: 1\n"),
        "pip is installed but nothing needs it",
    ),
    ("a record of a lost file", without("droid_tune/__init__.py"), "RECORD names droid_tune/__init__.py"),
    (
        "another minimum system",
        with_property("LSMinimumSystemVersion", "13.0"),
        "LSMinimumSystemVersion is '13.0'",
    ),
    ("no folders from the Finder", with_property("CFBundleDocumentTypes", []), "CFBundleDocumentTypes is []"),
    (
        "a version of words",
        with_property("CFBundleVersion", "dev"),
        "CFBundleVersion is 'dev', not numbers and dots",
    ),
    (
        "a broken Info.plist",
        lambda bundle: bundle.info_plist.write_bytes(b"<plist"),
        "Info.plist: it cannot be read",
    ),
    ("no executable", lambda bundle: bundle.executable.unlink(), "the executable is missing"),
    ("an executable that is none", lambda bundle: bundle.executable.chmod(0o644), "may not be executed"),
    ("no icon", lambda bundle: bundle.icon.unlink(), "the icon is missing"),
    ("no starter model", without("resources/starter/config.json"), "starter/config.json: it is missing"),
    (
        "no example",
        without("resources/tools-starter/config.json"),
        "tools-starter/config.json: it is missing",
    ),
    ("no licences", lambda bundle: bundle.third_party.unlink(), "THIRD_PARTY.txt: it is missing"),
    (
        "an unlisted package",
        lambda bundle: bundle.components.write_text('{"components": []}'),
        "mlx is in the bundle but",
    ),
    (
        "an address of the building machine",
        in_packages("mlx-0.1.0.dist-info/direct_url.json", b'{"url": "file:///root/build/x.whl"}'),
        "direct_url.json: it names /root/build/x.whl",
    ),
    (
        "the project's own folder",
        in_packages("droid_tune/where.py", f"HERE = '{PROJECT}/droid_tune'".encode()),
        f"droid_tune/where.py: it names {PROJECT}/",
    ),
    (
        "a key",
        in_packages("droid_tune/key.txt", b"-----BEGIN PRIVATE " + b"KEY-----\n" + b"A" * 64),
        "key.txt: it holds what looks like a secret",
    ),
    (
        "a token",
        in_packages("droid_tune/t.py", b"t = 'hf" + b"_" + b"a" * 34 + b"'"),
        "what looks like a secret",
    ),
    (
        "a password in an address",
        in_packages("droid_tune/u.py", b"u = 'https://me:" + b"4f7k29ax" + b"@host.example'"),
        "what looks like a secret",
    ),
    (
        "tests",
        in_packages("droid_tune/tests/test_x.py", b""),
        "droid_tune/tests: it does not belong into the bundle",
    ),
    ("the test runner", in_packages("pytest/__init__.py", b""), "a developer's tool does not belong"),
    (
        "a link to nowhere",
        lambda bundle: (bundle.contents / "link").symlink_to("/usr/local/lib"),
        "Contents/link: it is a link to /usr/local/lib",
    ),
]


@pytest.mark.parametrize(
    ("plant", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_planted_fault_is_found(bundle: Layout, plant: Plant, words: str) -> None:
    plant(bundle)
    assert [line for line in found(bundle) if words in line], found(bundle)


def test_a_bundle_that_is_too_large_is_refused(bundle: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_contents, "LARGEST_BUNDLE", 1000)
    assert any("more than" in line for line in found(bundle))


def test_an_address_that_shows_where_the_password_stands_is_no_secret(bundle: Layout) -> None:
    """urllib3 explains the parts of an address so."""
    in_packages("u.py", b"# https://username:" + b"password@host.example:80/path")(bundle)
    assert found(bundle) == []


def test_a_weak_library_may_be_absent(bundle: Layout) -> None:
    in_packages("weak.so", macho(Spec(weak_libraries=("@rpath/maybe.dylib",))))(bundle)
    assert found(bundle) == []


def test_a_folder_that_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    assert [str(fault) for fault in checks.check(tmp_path)] == [
        "Contents/Info.plist: it is missing: this is no application bundle"
    ]


def test_the_command_says_what_it_found_by_its_exit_code(
    bundle: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.main([str(bundle.root)]) == 0
    assert "no fault" in capsys.readouterr().out
    bundle.icon.unlink()
    assert check.main([str(bundle.root)]) == 1
    assert "1 fault\n" in capsys.readouterr().out
    assert check.main([str(bundle.root / "gone")]) == 2
    assert "does not exist; build it with packaging/build-app" in capsys.readouterr().err


def _remove_metadata(bundle: Layout, name: str) -> None:
    folder = bundle.site_packages / f"{name}-0.1.0.dist-info"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
