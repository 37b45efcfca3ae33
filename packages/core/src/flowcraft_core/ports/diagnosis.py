"""What a backend says of how it is set up, where it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import attrs

#: ``error``: runs cannot be started or worked on, or may be lost. ``warning``: all works, but not as well as it could.
Severity: TypeAlias = Literal["error", "warning"]


@attrs.frozen(kw_only=True)
class Finding:
    """Something that is wrong with how a backend is set up.

    Attributes:
        code: What kind of thing, such as ``SQLITE-SCHEMA-NEWER``; it stays what it is from version to version.
        part: What of the backend it is about, such as ``queue``.
        severity: How bad it is.
        problem: What is wrong. It names the setting, file, table or queue, and no credentials.
        remedy: What to do.
    """

    code: str
    part: str
    severity: Severity
    problem: str
    remedy: str


class Diagnosable(Protocol):
    """A backend that says what is wrong with how it is set up: a power of most of them."""

    async def diagnose(self) -> Sequence[Finding]:
        """Connect to each part, and look whether it is as it must be.

        It may be called at any time, also when ``open`` has failed or was never called. It changes nothing, creates
        nothing and leaves nothing behind: no message is received, and no record written.

        Returns:
            What is wrong; nothing, for a backend that is as its own provisioning makes it. What has one cause is one
            finding: of what cannot be reached, nothing else is said. That a part cannot be reached, or refuses to be
            looked at, is a finding too, and no error.
        """
