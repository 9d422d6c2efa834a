"""What an unquoted YAML word means, and which of them mean two things.

Types are those of YAML 1.2's core schema. Where YAML 1.1 (PyYAML, Ruby, older Go) reads the same
word as something else, the reader is asked to say which is meant: nothing is guessed.
"""

import re

NULL = re.compile(r"~|null|Null|NULL|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
SPECIAL_FLOAT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_BOOL_1_1 = re.compile(r"(?:y|n|yes|no|on|off)", re.IGNORECASE)
_OCTAL_1_1 = re.compile(r"[-+]?0[0-9]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_UNDERSCORED = re.compile(r"[-+]?[0-9][0-9]*_[0-9_]*(?:\.[0-9_]*)?")
_DIGITS_MAX = 300


def typed(word: str) -> str | int | float | bool | None:
    """The value of an unquoted word."""
    if NULL.fullmatch(word):
        return None
    if BOOL.fullmatch(word):
        return word.lower() == "true"
    if len(word) > _DIGITS_MAX or _OCTAL_1_1.fullmatch(word):
        return word
    if INT.fullmatch(word):
        return int(word, 0)
    if FLOAT.fullmatch(word):
        return float(word)
    return float(word.replace(".", "", 1)) if SPECIAL_FLOAT.fullmatch(word) else word


def trap(word: str) -> tuple[str, str] | None:
    """(what is ambiguous, what to write instead), or None for a clear word."""
    if word == "~":
        return "an unquoted ~ is YAML's word for nothing", 'write "~" or ~/ for the home folder'
    if _BOOL_1_1.fullmatch(word):
        sense = "true" if word.lower() in {"y", "yes", "on"} else "false"
        return (
            f"'{word}' is {sense} to some readers of YAML and a word to others",
            f'write {sense}, or "{word}" for the word',
        )
    if _OCTAL_1_1.fullmatch(word):
        number = word.lstrip("+-0") or "0"
        return (
            f"'{word}' is an octal number to some readers of YAML",
            f'write {number}, or "{word}" for the text',
        )
    if _SEXAGESIMAL.fullmatch(word):
        return (
            f"'{word}' is a number to the base 60 to some readers of YAML",
            f'write "{word}" for the text, or a duration like 90s or 5m',
        )
    if _UNDERSCORED.fullmatch(word):
        return (
            f"'{word}' is a number to some readers of YAML and a word to others",
            f'write {word.replace("_", "")}, or "{word}" for the text',
        )
    return None
