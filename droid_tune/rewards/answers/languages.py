"""How other languages say "the answer is", yes and no, "is" and "not"; English stands where these are used."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: by language: its word for an answer, and what may stand between that and the answer besides a colon
_ANSWERS: tuple[tuple[str, str], ...] = (
    ("antwort", "ist lautet"),  # German
    ("réponse", "est"),  # French
    ("respuesta", "es"),  # Spanish
    ("risposta", "è"),  # Italian
    ("resposta", "é"),  # Portuguese
    ("antwoord", "is luidt"),  # Dutch
    ("svar svaret", "är er"),  # Swedish, Danish, Norwegian
    ("vastaus", "on"),  # Finnish
    ("odpowiedź", "to brzmi"),  # Polish
    ("odpověď", "je"),  # Czech
    ("ответ", "будет"),  # Russian
    ("відповідь", "є"),  # Ukrainian
    ("răspuns răspunsul", "este"),  # Romanian
    ("válasz", "az"),  # Hungarian
    ("απάντηση", "είναι"),  # Greek
    ("cevap yanıt", "şudur"),  # Turkish
    ("jawaban jawabannya jawapan", "adalah ialah"),  # Indonesian, Malay
    ("תשובה התשובה", "היא"),  # Hebrew
    ("الجواب الإجابة", "هو هي"),  # Arabic
    ("جواب پاسخ", "برابر"),  # Persian
    ("उत्तर", "है"),  # Hindi
    ("উত্তর", "হল হলো"),  # Bengali
)
#: of two words, or in scripts that part no words
_SPELT = r"\b(?:đáp[ ](?:án|số)|câu[ ]trả[ ]lời)[*_`\s]*(?:(?:là|:)[ \t]*)+|คำตอบ(?:คือ|[ ]?:)"
_YES = "ja oui sí sì sim tak да так evet हाँ हां হ্যাঁ نعم 是 是的 对 對 はい 네 예"
_NO = "nein non não nie нет ні hayır नहीं না لا 否 不 不是 不对 不對 いいえ 아니요 아니오"
#: yes and no in other languages
TRUTHS = {**dict.fromkeys(_YES.split(), True), **dict.fromkeys(_NO.split(), False)}
#: "is" and "are"
_COPULA_WORDS = "est sont ist sind es son è sono é são är er jest są это je"
COPULAS = tuple(_COPULA_WORDS.split())
#: "not" and "no", as far as they are no words of English
_NEGATION_WORDS = "pas jamais nicht kein keine keinen nie nunca não не ни inte ikke niet geen"
NEGATIONS = tuple(_NEGATION_WORDS.split())
#: "or"
ALTERNATIVES = ("oder", "ou", "или", "eller")
#: what denies a sentence, doubts it, or leaves it open
DENIALS = (*NEGATIONS, *ALTERNATIVES, "ne", "peut-être", "vielleicht")
#: `法国的首都是巴黎。`, `首都は東京です。`, `수도는 서울입니다.`
_UNPARTED = re.compile(
    r".*(?<!不)是(?P<zh>[^是。，,！!]{1,30})[。.！!]?"
    r"|.*は[、]?(?P<ja>[^は。、]{1,30})(?:です|である|だ)[。.]?"
    r"|.*[은는이가][ ](?P<ko>[^.]{1,30}?)(?:입니다|이다|예요|이에요)[.]?",
    re.DOTALL,
)
_UNPARTED_DENIALS = re.compile(r"不|没|或|吗|可能|ない|ありません|ではな|か[。？?]|아니|또는|[?？]")


def answer_words() -> str:
    """A pattern of every language's word for an answer."""
    return "|".join(word for words, _ in _ANSWERS for word in words.split())


def plain_answer_words() -> tuple[str, ...]:
    """Every language's word for an answer that a text of ASCII alone can hold, in small letters: `ı` is an `i` to a pattern that
    ignores case."""
    words = (word.replace("ı", "i") for said, _ in _ANSWERS for word in said.split())
    return tuple(word for word in words if word.isascii())


def surely_without(text: str, words: Iterable[str]) -> bool:
    """Whether a text of ASCII alone holds none of `words` (in small letters): what takes a tenth of a search by a pattern that
    needs one of them. False of other texts, whose letters pattern and small letters may fold otherwise."""
    if not text.isascii():
        return False
    small = text.lower()
    return not any(word in small for word in words)


def answer_statements() -> str:
    """A pattern of "the answer is" and "answer:", up to where the answer begins."""
    said = (
        rf"\b(?:{'|'.join(words.split())})[*_`\s]*(?:(?:{'|'.join(copulas.split())}|=|:|：)(?![\w'])[*_`:]*[ \t]*)+:?"
        for words, copulas in _ANSWERS
    )
    return "|".join((*said, _SPELT))


def unparted_predicate(sentence: str) -> str:
    """What a sentence in a script that parts no words says that something is; empty where it denies, asks or doubts."""
    found = None if _UNPARTED_DENIALS.search(sentence) else _UNPARTED.fullmatch(sentence.strip())
    return next((one for one in found.groups() if one), "").strip() if found else ""
