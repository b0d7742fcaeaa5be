"""The text below a setting is its description, in a child that overrides the setting too."""

from __future__ import annotations

from droid_tune.config.base import Closed, setting
from droid_tune.config.docstrings import attribute_docstrings
from droid_tune.config.recipes.methods import GRPOConfig, GSPOConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig


class Oven(Closed):
    """What bakes."""

    heat: int = setting(180, "Heat", unit="°C", ge=0)
    """How hot
    it gets.
    """
    fan: bool = setting(True, "Fan")
    rack: int = setting(2, "Rack", description="Said in the call.")
    """Said below."""


class PizzaOven(Oven):
    """A hotter one."""

    heat: int = setting(450, "Heat")
    fan: bool = setting(False, "Fan")
    """Blows ash about."""


def test_the_text_below_an_attribute_is_on_one_line() -> None:
    assert attribute_docstrings(__name__)["Oven"] == {"heat": "How hot it gets.", "rack": "Said below."}


def test_a_description_given_in_the_call_comes_first() -> None:
    assert Oven.model_fields["rack"].description == "Said in the call."


def test_an_override_keeps_the_words_unless_it_has_its_own() -> None:
    assert PizzaOven.model_fields["heat"].description == "How hot it gets."
    assert PizzaOven.model_fields["rack"].description == "Said in the call."
    assert (Oven.model_fields["fan"].description, PizzaOven.model_fields["fan"].description) == (
        None,
        "Blows ash about.",
    )


def test_the_schema_tells_the_same_words() -> None:
    assert PizzaOven.model_json_schema()["properties"]["heat"]["description"] == "How hot it gets."


def test_a_method_with_a_default_of_its_own_keeps_title_bounds_and_words() -> None:
    family, own = PolicyMethodConfig.model_fields["epsilon"], GSPOConfig.model_fields["epsilon"]
    assert (family.default, own.default) == (0.2, 3e-4)
    assert (own.title, own.description, own.metadata) == (family.title, family.description, family.metadata)
    assert GRPOConfig.model_fields["epsilon"].description == family.description
