"""A judge's key in what a server says, whole or in pieces."""

import base64

import pytest

from droid_tune.rewards.judges.redaction import without_key

KEY = "sk-proj-A1b2C3d4E5f6G7h8"


@pytest.mark.parametrize(
    "said",
    [
        f"invalid key {KEY}",
        f"Bearer {KEY}, please",
        f"got '{KEY[:12]}'",
        f"ends with {KEY[-9:]}",
        f"key {KEY[:6]}******{KEY[-4:]}",
        f"key {KEY[:7]}...{KEY[-3:]}",
        f"header {base64.b64encode(f'Bearer {KEY}'.encode()).decode()}",
        f"hex {KEY.encode().hex()}",
    ],
)
def test_no_piece_of_the_key_is_left(said: str) -> None:
    left = without_key(said, KEY)
    assert "(the key)" in left
    assert not any(KEY[at : at + 6] in left for at in range(len(KEY) - 5))
    assert base64.b64encode(KEY.encode()).decode()[:12] not in left


def test_other_words_stay() -> None:
    assert without_key("Score: 7 of 10, skipping sk-lists...", KEY) == "Score: 7 of 10, skipping sk-lists..."
    assert without_key("no key", "") == "no key"
    assert without_key("it is EMPTY", "EMPTY") == "it is (the key)"
