"""Texts that are good names, and that careless adapters confuse, cut, escape twice or refuse."""

from __future__ import annotations

from typing import Final

TEXTS: Final = (
    # what separates, escapes or quotes somewhere
    *("a.b", "a/b", "a//b", "a\\b", "a:b", "a::b", "a#b", "a?b", "a|b", "a%2Fb", "a&b=c+d", "a,b;c", "'\"`", "<a>&lt;"),
    *(".", "..", "/", "-", "--", "_", "*", "$a", "{a}", "[0]", "a[2].b", "__proto__"),
    # what trimming, folding or normalising makes equal
    *("a", "A", "a ", " a", "a  b", "a b", "a\tb", "a\nb", "é", "e\u0301", "ß", "ss", "ﬁ", "fi"),
    # what is taken for something else
    *("0", "00", "0.0", "1e3", "null", "None", "true", "NaN", "undefined"),
    # beyond ASCII, and beyond 16 bits
    *("日本語", "ключ", "مفتاح", "😀", "👩‍👩‍👧", "\uffee", "\U00010000"),
    # what ends, hides or has no place in text of some services: controls, marks, separators and what is no character
    *("\0", "a\0", "a\0b", "\x01", "a\x1b", "\x7f", "\x85", "a\u2028b", "\u2029", "\ufeff", "\ufeffa", "a\u200b"),
    *("\ufffd", "\ufffe", "\uffff", "\U0010ffff", "\ue000", "a\r\nb", "a\rb"),
)
"""All different, none longer than 16 characters."""

#: Families of which a careless store takes several for one, or one for a pattern that others match.
CONFUSED: Final = (
    ("a", "a\0", "\0a", "a\0b", "ab"),
    ("a%", "a_", "ab", "a", "abc", "%", "_"),
    ("a*", "a?", "a[b]", "ab", "a.", "a.b"),
    ("a", "A", "á", "a\u0301", "\uff41", "ª"),
    ("a", "a ", " a", "a\t", "a\n", "a\u00a0", "\ufeffa", "a\u200b", "a\u2028"),
    ("a/b", "a%2Fb", "a\\b", "a", "b", "a//b", "a/../b"),
    ("a:b", "a", "b", "a::b", "a:", ":b"),
    ("1", "01", "1.0", "1e0", "one", "\u0661"),
    ("\ufffd", "\ufffe", "\uffff", "\U0010ffff", "?"),
)

#: Text that no UTF-8 has, and that is refused by name wherever text is given.
NOT_TEXT: Final = ("\ud800", "a\udcff", "\udfffa")

#: Pairs of a run id and a key that become one when they are joined by a separator, or by none.
PAIRS: Final = tuple(
    pair
    for separator in ("", *"/.:#|-_ ")
    for pair in (
        ("a", f"b{separator}c"),
        (f"a{separator}b", "c"),
        (f"x{separator}{separator}", "y"),
        ("x", f"{separator}{separator}y"),
    )
)

#: Run ids of 300 characters, the longest; they differ at the end, and the last ones have 1,200 bytes.
LONG_RUN_IDS: Final = tuple(letter * 299 + end for letter in ("r", "😀") for end in ("1", "2"))

#: Keys of 2,000 characters, the longest; they differ at the end, and the last ones have some 8,000 bytes.
LONG_KEYS: Final = tuple(letter * 1_999 + end for letter in ("k", "😀") for end in ("1", "2"))

#: Keys of 2,000 characters of what grows when it is escaped or encoded; they differ at the beginning or at the end.
FULL_LENGTH_KEYS: Final = tuple(
    key
    for letters in ("/", "%", " .", ":#", "a/b%2F", "é", "日", "\uffee\U00010000", "'\"\\")
    for text in [(letters * 2_000)[:1_999]]
    for key in (text + "1", text + "2", "1" + text)
)
