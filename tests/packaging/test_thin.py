"""Cutting slices: bytes in, the same bytes out."""

from __future__ import annotations

from pathlib import Path

from appbundle.signature import signature_fault
from appbundle.thin import arm64_slice, is_macho, thin_tree
from tests.packaging.tiny_macho import X86_64, Spec, macho, universal

ARM = macho(Spec(exports=("_arm",)))
INTEL = macho(Spec(cpu=X86_64))


def test_the_arm64_slice_comes_out_byte_for_byte_with_its_signature() -> None:
    assert arm64_slice(universal(INTEL, ARM)) == ARM
    assert signature_fault(arm64_slice(universal(ARM, INTEL))) is None


def test_what_is_not_universal_stays_as_it_is() -> None:
    assert arm64_slice(ARM) == ARM
    assert arm64_slice(b"text") == b"text"
    assert arm64_slice(universal(INTEL)) == universal(INTEL)


def test_a_java_class_is_no_universal_file(tmp_path: Path) -> None:
    java = tmp_path / "A.class"
    java.write_bytes(b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(100))  # version 52
    assert not is_macho(java)
    assert arm64_slice(java.read_bytes()) == java.read_bytes()


def test_thinning_a_tree_keeps_modes_links_and_files_shared_with_a_cache(tmp_path: Path) -> None:
    cached = tmp_path / "cached.so"
    cached.write_bytes(universal(ARM, INTEL))
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.so").hardlink_to(cached)
    (tree / "a.so").chmod(0o755)
    (tree / "link.so").symlink_to("a.so")
    saved = thin_tree(tree)
    assert saved == len(universal(ARM, INTEL)) - len(ARM)
    assert (tree / "a.so").read_bytes() == ARM
    assert (tree / "a.so").stat().st_mode & 0o777 == 0o755
    assert (tree / "link.so").is_symlink()
    assert cached.read_bytes() == universal(ARM, INTEL)
    assert thin_tree(tree) == 0
