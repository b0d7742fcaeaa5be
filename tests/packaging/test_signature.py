"""Page hashes: what a Mac would refuse is found here."""

from __future__ import annotations

import pytest

from appbundle.signature import signature_fault
from tests.packaging.tiny_macho import PAGE, Spec, macho


def test_a_signed_file_is_right() -> None:
    assert signature_fault(macho(Spec())) is None


@pytest.mark.parametrize("page", [0, 1, 3])
def test_a_flipped_byte_is_found_in_its_page(page: int) -> None:
    content = bytearray(macho(Spec()))
    content[page * PAGE + PAGE - 1] ^= 1  # the last byte of a page is padding here: nothing else breaks
    assert signature_fault(bytes(content)) == f"page {page} (sha256) differs from what was signed"


def test_an_unsigned_file_is_named_so() -> None:
    assert signature_fault(macho(Spec(signed=False))) == "it has no code signature"


def test_a_file_cut_short_is_found() -> None:
    content = macho(Spec(filling=b"x" * 100))
    directory = content.index(b"\xfa\xde\x0c\x02")
    limit = bytes.fromhex("7fffffff")
    longer = content[: directory + 32] + limit + content[directory + 36 :]
    assert signature_fault(longer) == "its code signature covers more bytes than the file has"
