"""Text that came from anywhere, made fit to be shown or kept."""

import os

NO_UTF8 = frozenset(map(chr, range(0xDC80, 0xDD00)))
"""What Python puts for bytes of a name that are no UTF-8 (PEP 383)."""


def escape(text: str) -> str:
    r"""One printable line: a file's name must not forge a line, or colour a terminal.

    Control and format characters become escapes; bytes that were no UTF-8 (surrogates, PEP 383)
    become the `\xNN` they stand for.
    """
    if text.isprintable():
        return text
    return "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character.isprintable():
        return character
    if character in NO_UTF8:
        return f"\\x{os.fsencode(character)[0]:02x}"
    return character.encode("unicode_escape").decode("ascii")


def printable(text: str) -> str:
    r"""Text that any stream and database takes: what is not UTF-8 becomes `\xNN`."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: no name of a file has it
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
