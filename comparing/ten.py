"""The ten flows that are compared: what each is given, and what it must answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

FLOWS = Path(__file__).with_name("flows")
MISTAKES = ("wrong_type", "renamed_step", "misspelt_value")


@attrs.frozen
class Case:
    """A run of a flow.

    Attributes:
        flow: Its name, and that of its file.
        given: Its input.
        wanted: What it must give; and then what it must have tidied up.
        answer: What somebody answers while it waits; None if nobody does.
    """

    flow: str
    given: Any
    wanted: list[Any]
    answer: Any = None


CASES = (
    Case("chain", "to be free", ["3 words"]),
    Case("branch", 80, ["80 kg by freight!"]),
    Case("branch", 2, ["2 kg by post!"]),
    Case("fan", "Oslo", [18]),
    Case("loop", "Tea", ["Tea!! It is out."]),
    Case("batch", ["1", "2", "3"], [60]),
    Case("subflow", [100, 200], ["375 to pay"]),
    Case("approval", "train", ["a train paid in EUR by Ada"], answer={"by": "Ada"}),
    Case("approval", "train", ["a train has lapsed"]),
    Case("retry", "why?", ["why from the cache."]),
    Case("retry", "when?", ["when now."]),
    Case("cleanup", "valid", ["40 paid, shipped", "Ada"]),
    Case("cleanup", "expired", ["40 released, the card is expired", "Ada"]),
    Case("shared", [20, 30], ["45 instead of 50"]),
)
#: The flows, in their order.
NAMES = tuple(dict.fromkeys(case.flow for case in CASES))


@attrs.frozen
class Form:
    """A way in which the flows are written.

    Attributes:
        name: Its folder.
        title: What it is called.
    """

    name: str
    title: str

    @property
    def folder(self) -> Path:
        """Where its flows are."""
        return FLOWS / self.name

    @property
    def requirements(self) -> Path | None:
        """What its environment needs; None for what is written in this repository's."""
        file = self.folder / "requirements.txt"
        return file if file.exists() else None


FORMS = (
    Form("decorated", "Flowcraft, decorated"),
    Form("builder", "Flowcraft, builder"),
    Form("prefect", "Prefect"),
    Form("dbos", "DBOS"),
    Form("temporal", "Temporal"),
    Form("burr", "Burr"),
)
