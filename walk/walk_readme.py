"""The README's first minute: what it says is typed is typed, and what it says is printed has to look like that."""

from __future__ import annotations

import re

from walk_folder import Folder


def first_minute(here: Folder, text: str) -> None:
    """Do what the README says.

    Args:
        here: An empty folder.
        text: The README.
    """
    minute = text[text.index("## In a minute") : text.index("## Where it runs")]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", minute, re.MULTILINE | re.DOTALL)
    (program, *_) = [body for kind, body in blocks if kind == "python"]
    (here.path / "letters.py").write_text(program, encoding="utf-8")
    typed = [body.removeprefix("$ ").partition("\n")[::2] for kind, body in blocks if kind == "console"]
    (install, _), *printing = typed
    run = printing[0][0]
    here.type(install)
    killed = here.begin(run)
    here.until(
        "flowcraft show first --backend sqlite:///runs.db",
        lambda answer: any(each["key"] == "count" and each["inside"] for each in answer.get("instances", ())),
        "the batch is not begun",
    )
    here.kill(killed)
    for command, told in printing:
        found = here.type(command, in_terminal=command != run)
        here.check(_shape(found) == _shape(told), f"`{command}` prints\n{found}\nand the README says\n{told}")


def _shape(printed: str) -> list[list[str]]:
    """What was printed, whatever the time and however long it took; batches may end in one look or in several."""
    lines = [re.sub(r"\d[\d:.-]*( ms| s| min)?", "0", line).split() for line in printed.strip().splitlines()]
    return [words for words in lines if words[-1:] not in (["count"], ["pages"])]
