"""When a run should hold for battery and heat, by injected readings; the token's way to the keychain."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from droid_tune.errors import UserError
from droid_tune.machine.keychain import ACCOUNT, SECURITY, SERVICE, forget_token, keep_token, kept_token
from droid_tune.machine.power import PowerReading, PowerRule, limit_in, low_power_in, read_power

RULE = PowerRule(pause_below=0.2)


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (PowerReading(), ""),
        (PowerReading(0.19, plugged_in=False), "the battery has 19%"),
        (PowerReading(0.19, plugged_in=True), ""),
        (PowerReading(0.20, plugged_in=False), ""),
        (PowerReading(None, plugged_in=False), ""),
        (PowerReading(0.9, plugged_in=False, low_power=True), "the computer is in low-power mode"),
        (PowerReading(speed_limit=72), "heat slows the processor to 72%"),
    ],
)
def test_when_a_run_holds(reading: PowerReading, why: str) -> None:
    assert RULE.why_hold(reading) == why
    assert PowerRule(0.0, in_low_power=False, when_hot=False).why_hold(reading) == ""


def test_a_hold_does_not_flutter() -> None:
    reading = PowerReading(0.21, plugged_in=False)
    assert RULE.why_hold(reading) == ""
    assert RULE.why_hold(reading, holding=True) == "the battery has 21%"
    assert RULE.why_hold(PowerReading(0.24, plugged_in=False), holding=True) == ""


def test_what_pmset_says_is_read() -> None:
    assert low_power_in("System-wide power settings:\n lowpowermode         1\n hibernatemode 3\n")
    assert not low_power_in(" lowpowermode         0\n")
    assert limit_in("Note: No thermal warning level has been recorded\n CPU_Speed_Limit \t= 68\n") == 68
    assert limit_in("Note: No thermal warning level has been recorded\n") == 100
    found = read_power(lambda command: " lowpowermode 1" if command[-1] == "-g" else "CPU_Speed_Limit = 50")
    assert (found.low_power, found.speed_limit) == (True, 50)


class Chain:
    """A keychain of one password, as security speaks."""

    def __init__(self) -> None:
        self.kept = ""
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str], words: str) -> tuple[int, str]:
        self.commands.append(command)
        entry = ["-s", SERVICE, "-a", ACCOUNT]
        if command[1:] == ["-i"]:
            found = re.fullmatch(r'add-generic-password -U -s "(.+)" -a "(.+)" -w "(.+)"\n', words)
            assert found is not None
            assert list(found.groups()[:2]) == entry[1::2]
            self.kept = found.group(3)
        elif command[1:] == ["delete-generic-password", *entry]:
            self.kept = ""
        else:
            assert command[1:] == ["find-generic-password", *entry, "-w"]  # the secret alone
            if not self.kept:
                return 44, ""
        return 0, self.kept + "\n"


def test_the_token_goes_to_the_keychain_and_never_on_a_command_line() -> None:
    chain = Chain()
    assert kept_token(chain) == ""
    keep_token("hf_abcDEF123456", chain)
    assert kept_token(chain) == "hf_abcDEF123456"
    assert not [command for command in chain.commands if "hf_abcDEF123456" in " ".join(command)]
    assert {command[0] for command in chain.commands} == {SECURITY}
    forget_token(chain)
    assert kept_token(chain) == ""


@pytest.mark.parametrize("token", ["", "hf_a b", 'hf_abcdefgh" -x', "hf_abcdefgh\nquit"])
def test_what_is_no_token_is_not_kept(token: str) -> None:
    with pytest.raises(UserError, match="letters, digits"):
        keep_token(token, Chain())


def test_a_locked_keychain_is_said() -> None:
    with pytest.raises(UserError, match="did not take the token; unlock it"):
        keep_token("hf_abcDEF123456", lambda *_: (51, ""))
