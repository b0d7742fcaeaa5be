"""Units of measure, as people and models write them: `5 km`, `60 miles per hour`, `20 cm^2`, `$12`.

What is not listed here (72 clips) is a noun and decides nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_LENGTH, _MASS, _TIME, _VOLUME = "length", "mass", "time", "volume"
#: weighed or paid with: both are tried
_POUND = "pound"
_POUNDS = ((_MASS, Fraction("0.45359237")), ("sterling", Fraction(1)))
_CURRENCIES = frozenset(("dollars", "euros", "sterling", "rupees", "yen", "yuan", "won"))
#: dimension, factor to its base, spellings; units of one dimension convert, units of two contradict
_TABLE: tuple[tuple[str, str, str], ...] = (
    (_LENGTH, "1e-9", "nm nanometer nanometers nanometre nanometres"),
    (_LENGTH, "1e-6", "μm um micrometer micrometers micrometre micrometres micron microns"),
    (_LENGTH, "1e-3", "mm millimeter millimeters millimetre millimetres"),
    (_LENGTH, "1e-2", "cm centimeter centimeters centimetre centimetres"),
    (_LENGTH, "1e-1", "dm decimeter decimeters decimetre decimetres"),
    (_LENGTH, "1", "m meter meters metre metres"),
    (_LENGTH, "1000", "km kms kilometer kilometers kilometre kilometres"),
    (_LENGTH, "0.0254", "in in. inch inches"),
    (_LENGTH, "0.3048", "ft foot feet"),
    (_LENGTH, "0.9144", "yd yds yard yards"),
    (_LENGTH, "1609.344", "mi mile miles"),
    (_MASS, "1e-6", "mg milligram milligrams"),
    (_MASS, "1e-3", "g gram grams"),
    (_MASS, "1", "kg kgs kilogram kilograms kilo kilos"),
    (_MASS, "1000", "tonne tonnes"),
    (_MASS, "0.45359237", "lb lbs"),
    (_POUND, "1", "pound pounds"),
    (_MASS, "0.028349523125", "oz ounce ounces"),
    (_TIME, "1e-3", "ms millisecond milliseconds"),
    (_TIME, "1", "s sec secs second seconds"),
    (_TIME, "60", "min mins minute minutes"),
    (_TIME, "3600", "h hr hrs hour hours"),
    (_TIME, "86400", "day days"),
    (_TIME, "604800", "week weeks"),
    ("months", "1", "month months"),
    ("months", "12", "yr yrs year years"),
    ("months", "120", "decade decades"),
    ("months", "1200", "century centuries"),
    (_VOLUME, "1e-6", "ml mL milliliter milliliters millilitre millilitres cc"),
    (_VOLUME, "1e-5", "cl centiliter centiliters centilitre centilitres"),
    (_VOLUME, "1e-3", "l L liter liters litre litres"),
    ("cups", "1", "cup cups"),
    ("cups", "16", "gallon gallons gal"),
    ("cups", "4", "quart quarts qt"),
    ("cups", "2", "pint pints"),
    ("angle", "1", "° deg degree degrees"),
    ("radians", "1", "rad radian radians"),
    ("celsius", "1", "°C celsius"),
    ("fahrenheit", "1", "°F fahrenheit"),
    ("kelvin", "1", "K kelvin kelvins"),
    ("dollars", "1", "$ usd dollar dollars buck bucks"),
    ("dollars", "0.01", "¢ cent cents"),
    ("euros", "1", "€ eur euro euros"),
    ("sterling", "1", "£ gbp sterling"),
    ("sterling", "0.01", "pence"),
    ("rupees", "1", "₹ inr rs rs. rupee rupees"),
    ("yen", "1", "¥ jpy yen"),
    ("yuan", "1", "cny rmb yuan 元"),
    ("won", "1", "₩ krw"),
    ("speed", "1", "knot knots"),
    ("force", "1", "N newton newtons"),
    ("energy", "1", "J joule joules"),
    ("energy", "1000", "kJ kilojoule kilojoules"),
    ("energy", "3600", "Wh watt-hour watt-hours"),
    ("energy", "3600000", "kWh kilowatt-hour kilowatt-hours"),
    ("calories", "1", "cal calorie calories"),
    ("calories", "1000", "kcal kilocalorie kilocalories"),
    ("power", "1", "W watt watts"),
    ("power", "1000", "kW kilowatt kilowatts"),
    ("voltage", "1", "V volt volts"),
    ("current", "1", "A ampere amperes amp amps"),
    ("resistance", "1", "Ω ohm ohms"),
    ("frequency", "1", "Hz hertz"),
    ("frequency", "1000", "kHz kilohertz"),
    ("frequency", "1e6", "MHz megahertz"),
    ("frequency", "1e9", "GHz gigahertz"),
    ("pressure", "1", "Pa pascal pascals"),
    ("pressure", "1000", "kPa kilopascal kilopascals"),
    ("amount", "1", "mol mole moles"),
    ("bits", "1", "bit bits"),
    ("bytes", "1", "byte bytes B"),
    ("kilobits", "1", "kbit kbits kilobit kilobits"),
    ("megabits", "1", "Mb Mbit Mbits megabit megabits"),
    ("gigabits", "1", "Gb Gbit Gbits gigabit gigabits"),
    ("terabits", "1", "Tb Tbit Tbits terabit terabits"),
    ("kilobytes", "1", "kB KB kilobyte kilobytes"),
    ("megabytes", "1", "MB megabyte megabytes"),
    ("gigabytes", "1", "GB gigabyte gigabytes"),
    ("terabytes", "1", "TB terabyte terabytes"),
    ("morning", "1", "am a.m. a.m"),
    ("afternoon", "1", "pm p.m. p.m"),
)
_SIMPLE = {
    spelling: (dimension, Fraction(factor))
    for dimension, factor, spellings in _TABLE
    for spelling in spellings.split()
}
_WHOLE = {
    "mph": "miles/hour",
    "kmh": "km/h",
    "kph": "km/h",
    "kmph": "km/h",
    "sqft": "ft^2",
    "degree celsius": "°C",
    "degrees celsius": "°C",
    "degree fahrenheit": "°F",
    "degrees fahrenheit": "°F",
    "° celsius": "°C",
    "° fahrenheit": "°F",
    "° c": "°C",
    "° f": "°F",
    "us dollar": "$",
    "us dollars": "$",
    "pound sterling": "£",
    "pounds sterling": "£",
}
#: of a unit in characters, and nobody writes half of it
_LONGEST = 100
_AREA = {"square": 2, "sq": 2, "sq.": 2, "cubic": 3, "cu": 3, "cu.": 3}
_RAISED = re.compile(r"\b([a-zA-Z]+) (squared|cubed)\b")
_FACTOR = re.compile(r"([^\d^/*·\s]+)\s*(?:(?:\^|\*\*)\s*\{?\s*(-?[1-4])\s*\}?|([23]))?")


@dataclass(frozen=True)
class Unit:
    """A product of powers of dimensions, and how many of its base units it is: km/h is ((length, 1), (time, -1)), 5/18."""

    powers: tuple[tuple[str, int], ...]
    factor: Fraction

    def ratio_to(self, other: Unit) -> Fraction | None:
        """How many of the other unit this one is, None where they contradict. £5 an hour may be given as £5."""
        for own, factor in self._meanings():
            for wanted, unit in other._meanings():
                if own == wanted:
                    return factor / unit
                if _is_rate_of(own, wanted) or _is_rate_of(wanted, own):
                    return Fraction(1)
        return None

    def _meanings(self) -> list[tuple[dict[str, int], Fraction]]:
        """Dimensions and factor; of pounds as a mass and as money."""
        powers = dict(self.powers)
        times = powers.pop(_POUND, 0)
        if not times:
            return [(powers, self.factor)]
        return [({**powers, name: times}, self.factor * size**times) for name, size in _POUNDS]


def _is_rate_of(powers: dict[str, int], money: dict[str, int]) -> bool:
    """Whether one is an amount of money and the other the same money per something."""
    (currency, *more) = money
    rest = {name: power for name, power in powers.items() if name != currency}
    paid = not more and currency in _CURRENCIES and money[currency] == powers.get(currency) == 1
    return paid and all(power < 0 for power in rest.values())


#: `ms^{-1}` is metres per second to whoever writes it; nobody counts by milliseconds so
_METRES_PER_SECOND = re.compile(r"(?<![a-zA-Z])ms\^\{?-([12])\}?")


def read_unit(text: str) -> Unit | None:
    """The unit that a whole text names, None where it names none."""
    if len(text) > _LONGEST:
        return None
    text = _RAISED.sub(
        lambda found: f"{found[1]}^{2 if found[2] == 'squared' else 3}", " ".join(text.split())
    )
    text = _METRES_PER_SECOND.sub(r"m s^-\1", _WHOLE.get(text.lower(), text))
    over, _, under = re.sub(r"\bper\b", "/", text).replace("*", " ").replace("·", " ").partition("/")
    powers: dict[str, int] = {}
    factor = Fraction(1)
    for side, sign in ((over, 1), (under, -1)):
        read = _product(side.strip())
        if read is None or (sign == -1 and "/" in text and not under.strip()):
            return None
        for dimension, size, power in read:
            powers[dimension] = powers.get(dimension, 0) + sign * power
            factor *= size ** (sign * power)
    return Unit(tuple(sorted(powers.items())), factor) if powers else None


def _product(text: str) -> list[tuple[str, Fraction, int]] | None:
    """Dimension, factor and power of each unit in `kg m^2` or `square feet`; None where a word is no unit."""
    found: list[tuple[str, Fraction, int]] = []
    raised = 0
    for word in re.sub(r"\s*\^\s*", "^", text).split():
        if word.lower() in _AREA and not raised:
            raised = _AREA[word.lower()]
            continue
        parts = _FACTOR.fullmatch(word)
        known = simple_unit(parts[1]) if parts else None
        if parts is None or known is None:
            return None
        found.append((*known, raised or int(parts[2] or parts[3] or 1)))
        raised = 0
    return None if raised else [_as_volume(one) for one in found]


def _as_volume(one: tuple[str, Fraction, int]) -> tuple[str, Fraction, int]:
    """A cubed length is a volume: 1000 cm^3 are a litre."""
    dimension, factor, power = one
    return (_VOLUME, factor**3, 1) if (dimension, power) == (_LENGTH, 3) else one


def simple_unit(word: str) -> tuple[str, Fraction] | None:
    """One unit as it is written; in other capitals only where that cannot be another unit (Km, but not M or mHz)."""
    known = _SIMPLE.get(word)
    if known is not None or len(word) < 2 or (len(word) == 2 and word[0].isupper() and word[1].islower()):
        return known or (_SIMPLE.get(word.lower()) if word[1:].islower() and len(word) > 1 else None)
    return _SIMPLE.get(word.lower())
