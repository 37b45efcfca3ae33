"""What is said of a run that fails, and of a message that is none: short enough for any store, and in whole characters.

An error's text may be anything: it may quote what came from outside, be as long as that, or not be there at all.
"""

from __future__ import annotations

# More is of use to nobody, and a store has to keep it beside everything else of a status.
_LONGEST = 4_000


def reason_of(error: BaseException) -> str:
    """What an error says, with its class where that tells something."""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    return sayable(text or type(error).__name__)


def sayable(text: str, longest: int = _LONGEST) -> str:
    """A text that every store takes: half characters are spelled out, and the middle of a long one is left out."""
    whole = text.encode(errors="backslashreplace").decode()
    if len(whole) <= longest:
        return whole
    half = longest // 2
    return f"{whole[:half]} [... {len(whole) - 2 * half} characters are left out ...] {whole[-half:]}"
