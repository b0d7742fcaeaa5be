"""The tools of the bundled example: a shop's list and a calculator.

Every function without a leading underscore is a tool: its name, its docstring and its type hints are what the model is
told of it; what it returns is what the model reads next. An exception is read too, as a call that failed.
"""

_CENTS = {
    "apples": 35,
    "beads": 4,
    "bells": 83,
    "books": 96,
    "bowls": 74,
    "cakes": 58,
    "cards": 12,
    "coins": 27,
    "cups": 49,
    "eggs": 23,
    "figs": 31,
    "hats": 91,
    "jars": 66,
    "keys": 39,
    "lamps": 99,
    "mugs": 47,
    "nuts": 6,
    "pears": 38,
    "pens": 17,
    "pies": 62,
    "plums": 14,
    "rings": 87,
    "shells": 9,
    "stamps": 71,
}


def price(item: str) -> int:
    """The price of an item in cents.

    Args:
        item: its name as the question has it, such as pears
    """
    if item not in _CENTS:
        raise ValueError(f"there is no {item} in the shop")
    return _CENTS[item]


def multiply(a: int, b: int) -> int:
    """The product of two numbers.

    Args:
        a: the first number
        b: the second number
    """
    return a * b
