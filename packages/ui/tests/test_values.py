from typing import Any

import attrs
import pytest
from flowcraft_ui.values import HIDDEN, Values, hiding


@attrs.frozen
class Card:
    owner: str
    token: str


def test_a_value_is_json() -> None:
    assert Values().whole("x", {"é": [1, None]}) == '{\n  "é": [\n    1,\n    null\n  ]\n}'


@pytest.mark.parametrize("value", [{1, 2}, object(), Card("Ada", "t"), 1j])
def test_what_json_has_no_form_for_is_shown_all_the_same(value: Any) -> None:
    assert Values().whole("x", value)


@pytest.mark.parametrize(
    "value",
    [{("Oslo", 2026): 3}, {10**5000: 10**5000}, "\ud800", {"\ud800": ["\ud800"]}, float("nan")],
    ids=["keys", "big", "half", "halves", "nan"],
)
def test_whatever_a_step_may_return_stands_on_a_page(value: Any) -> None:
    for values in (Values(), Values(hiding("token"))):
        for text in (values.whole("x", value), values.brief("x", value), values.shown("x", value).text):
            assert text.encode()
    assert Values().words("x", "\ud800").encode()


def test_a_long_value_is_cut_and_says_so() -> None:
    shown = Values().shown("x", "y" * 100, 10)
    assert (len(shown.text), shown.length, shown.is_cut) == (10, 102, True)
    assert not Values().shown("x", "y").is_cut


def test_a_brief_value_stands_on_one_line() -> None:
    assert Values().brief("x", "a\n b\t c") == "a b c"
    assert Values().brief("x", "y" * 500, 10) == "y" * 9 + "…"


def test_what_is_redacted_is_shown_nowhere() -> None:
    values = Values(lambda where, value: f"({where})")
    assert values.whole("pay.output", "secret") == '"(pay.output)"'
    assert values.brief("pay.output", "secret") == values.words("pay.output", "secret") == "(pay.output)"


def test_hiding_goes_by_names_at_any_depth() -> None:
    redact = hiding("token", "pass")
    given = {"a": [{"Access_Token": 1}], "card": Card("Ada", "t"), "passport": 2, "b": 3}
    expected = {"a": [{"Access_Token": HIDDEN}], "card": {"owner": "Ada", "token": HIDDEN}, "passport": HIDDEN, "b": 3}
    assert redact("x.output", given) == expected
    assert given["passport"] == 2
    assert redact("context.token", {"a": 1}) == HIDDEN
    assert hiding()("x", {"a": 1}) == {"a": 1}
