"""Blueprints as YAML: the same fields, words as in YAML 1.2, and errors by line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from flowcraft_core import Blueprint, BlueprintError
from flowcraft_core.yaml_text import MOST_VALUES
from hypothesis import given
from hypothesis import strategies as st

ORDERS = """
id: orders
nodes:
  - id: charge
    uses: charge
    config: {maxRetries: 3, retryDelay: 1.5e2}
  - id: tell
    uses: tell
    params:
      country: no      # Norway, and not false
      when: 12:30
      day: 2026-01-31
      zip: 0123
      really: true
      nothing:
edges:
  - source: charge
    target: tell
    on: failure
    condition: y
"""


def test_a_blueprint_is_read_from_yaml() -> None:
    blueprint = Blueprint.from_yaml(ORDERS)
    assert blueprint.nodes[0].config is not None
    assert (blueprint.nodes[0].config.max_retries, blueprint.nodes[0].config.retry_delay) == (3, 150)
    assert blueprint.edges[0].on == "failure"
    assert blueprint.edges[0].condition == "y"


def test_words_mean_what_they_mean_in_yaml_1_2() -> None:
    assert Blueprint.from_yaml(ORDERS).nodes[1].params == {
        "country": "no",
        "when": "12:30",
        "day": "2026-01-31",
        "zip": 123,
        "really": True,
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: b\nnodes:\n  - id: a\n", "line 3: blueprint.nodes[0] has no 'uses'"),
        (
            "id: b\nnodes:\n  - id: a\n    uses: u\n    config:\n      timeout: soon\n",
            "line 6: blueprint.nodes[0].config.timeout must be a number of at least 0, not 'soon'",
        ),
        (
            "id: b\nnodes: []\nedges:\n- {source: a, target: b, on: yes}\n",
            "line 4: blueprint.edges[0].on must be 'success', 'failure' or 'always', not 'yes'",
        ),
        ("id: b\nnodes: [", "line 2, column 9: "),
        ("id: b\nid: c\n", "line 2: blueprint has 'id' twice"),
        ("id: b\nmetadata:\n  1: x\n", "line 3: a key in blueprint.metadata is no text: put '1' in quotes"),
        ("id: b\nmetadata:\n  [a, b]: x\n", "line 3: a key in blueprint.metadata is a list or a mapping"),
        ("id: !!python/name:os.system\n", "line 1: blueprint.id has the tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("id: !!binary aGk=\n", "line 1: blueprint.id has the tag"),
        ("id: b\nqueue: .inf\n", "line 2: blueprint.queue is .inf, a number that JSON has not"),
        ("", "it is empty"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: "),
        ("&a [*a]", "nested too deeply, or in itself"),
        ("\x00", "special characters are not allowed"),
        ("- a", "a blueprint is a JSON object, not list"),
    ],
)
def test_an_error_names_the_line_and_the_field(text: str, said: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        Blueprint.from_yaml(text)
    assert said in str(caught.value)


def test_a_short_text_cannot_stand_for_endless_data() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    with pytest.raises(BlueprintError, match=f"more than {MOST_VALUES:,} values"):
        Blueprint.from_yaml(f"l0: &l0 [x]\n{levels}\n")


_PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "on",
        "yes",
        "no",
        "y",
        "null",
        "~",
        "1e3",
        "0o7",
        "0x1f",
        "012",
        "1_000",
        "12:30",
        "2026-01-31",
        ".inf",
        "<<",
        "=",
        "a\x85b",
    ]
)
_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_PLAIN, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_PLAIN, _VALUE, max_size=3), _PLAIN)
def test_what_is_written_is_read_again(params: dict[str, Any], name: str) -> None:
    blueprint = Blueprint.from_json(
        {"id": "b", "nodes": [{"id": "a", "uses": "u", "params": params}], "edges": [], "metadata": {"name": name}}
    )
    assert Blueprint.from_yaml(blueprint.to_yaml()) == blueprint


def test_yaml_is_loaded_by_those_alone_who_use_it() -> None:
    code = "import sys, flowcraft_core; flowcraft_core.Blueprint('b').to_json(); print('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    missing = (
        "import sys; sys.modules['yaml'] = None; import flowcraft_core as f\n"
        "try: f.Blueprint.from_yaml('id: a')\nexcept f.ConfigurationError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", missing], capture_output=True, text=True, check=True).stdout
    assert "pip install 'flowcraft-core[yaml]'" in said
