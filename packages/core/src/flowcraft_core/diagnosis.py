"""What a doctor knows: the kinds of findings, and what of them can be found out about any backend.

It is pure. Each adapter has symptoms of its own beside these; ``flowcraft_core.durable.diagnose`` asks for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .ports import Finding, Severity


@attrs.frozen(kw_only=True)
class Symptom:
    """A kind of finding.

    Attributes:
        code: See ``Finding``.
        part: See ``Finding``.
        severity: See ``Finding``.
        problem: What is wrong, with ``{names}`` for what differs.
        remedy: What to do, likewise.
    """

    code: str
    part: str
    severity: Severity
    problem: str
    remedy: str

    def found(self, **values: Any) -> Finding:
        """A finding of this kind."""
        return Finding(
            code=self.code,
            part=self.part,
            severity=self.severity,
            problem=self.problem.format(**values),
            remedy=self.remedy.format(**values),
        )


CLOCK_SKEW = Symptom(
    code="CLOCK-SKEW",
    part="clock",
    severity="warning",
    problem="this machine's clock is {seconds:.0f} s {direction} that of {service}",
    remedy="have the machine's clock synchronised (chrony, systemd-timesyncd, w32time): sleeps, retries and leases end "
    "so much too early or too late, and from some minutes on a cloud refuses every request",
)
VERSIONS_APART = Symptom(
    code="VERSIONS-APART",
    part="versions",
    severity="error",
    problem="{name} {version} needs {requirement}, and {other} {installed} is installed",
    remedy="install versions that fit together: pip install --upgrade {name} {other}",
)
UNREACHABLE = Symptom(
    code="BACKEND-UNREACHABLE",
    part="backend",
    severity="error",
    problem="the backend does not answer: {why}",
    remedy="see whether its services run, and whether this machine reaches them",
)
REFUSED = Symptom(
    code="BACKEND-REFUSED",
    part="backend",
    severity="error",
    problem="the backend cannot be used: {why}",
    remedy="do what the message says; the backend has no diagnosis of its own that would say more",
)
FAILED = Symptom(
    code="DIAGNOSIS-FAILED",
    part="backend",
    severity="error",
    problem="the backend's diagnosis has failed itself, with {why}",
    remedy="report it to the backend's authors; what it has not looked at may be right or wrong",
)

#: The kinds of findings about any backend.
SYMPTOMS = (CLOCK_SKEW, VERSIONS_APART, UNREACHABLE, REFUSED, FAILED)

#: Clocks may differ by so many seconds; what services say of their time is in whole ones.
TOLERATED_SKEW = 5.0


def clock_skew(readings: Mapping[str, tuple[float, float, float]]) -> list[Finding]:
    """How far a machine's clock is off, if it is.

    Args:
        readings: By service, what it said of its time, whole seconds since the epoch, and what the machine's clock said
            before it was asked and after it had answered.

    Returns:
        At most one finding, of the service that it is farthest from: the machine has one clock.
    """
    worst, farthest = 0.0, ""
    for service, (said, asked, answered) in readings.items():
        # Ahead: even the last moment of the service's second was over when it was asked.
        off = asked - (said + 1) if asked > said + 1 else min(0.0, answered - said)
        if abs(off) > abs(worst):
            worst, farthest = off, service
    if abs(worst) <= TOLERATED_SKEW:
        return []
    direction = "ahead of" if worst > 0 else "behind"
    return [CLOCK_SKEW.found(seconds=abs(worst), direction=direction, service=farthest)]


@attrs.frozen
class Distribution:
    """Something that is installed.

    Attributes:
        version: Which version of it.
        requirements: What it needs, as its metadata have it, such as ``flowcraft-core>=0.1.0``.
    """

    version: str
    requirements: Sequence[str] = ()


def versions_apart(installed: Mapping[str, Distribution]) -> list[Finding]:
    """Distributions that do not fit to one another.

    Args:
        installed: By name; what they need of others is not looked at.
    """
    found = []
    for name, distribution in sorted(installed.items()):
        for requirement in distribution.requirements:
            wanted, _, marker = requirement.partition(";")
            parsed = re.match(r"\s*([\w.-]+)\s*(?:\[.*?\])?\s*\(?([^)]*)", wanted)
            other = parsed[1].lower().replace("_", "-") if parsed else ""
            if parsed is None or other not in installed or "extra" in marker:
                continue
            version = installed[other].version
            if not all(_fits(version, clause) for clause in parsed[2].split(",")):
                found.append(
                    VERSIONS_APART.found(
                        name=name,
                        version=distribution.version,
                        requirement=wanted.strip(),
                        other=other,
                        installed=version,
                    )
                )
    return found


def _fits(version: str, clause: str) -> bool:
    """Whether a version is one that a clause allows; one that cannot be read is."""
    parsed = re.fullmatch(r"\s*(>=|<=|==|~=|!=|<|>)\s*([\d.]+)(\.\*)?\s*", clause)
    if parsed is None:
        return True
    operator, bound, is_prefix = parsed[1], _release(parsed[2]), parsed[3] is not None
    release = _release(version)
    width = max(len(release), len(bound))
    padded, limit = _padded(release, width), _padded(bound, width)
    if operator in ("==", "!="):
        same = release[: len(bound)] == bound if is_prefix else padded == limit
        return same is (operator == "==")
    if operator == "~=":
        return padded >= limit and release[: len(bound) - 1] == bound[:-1]
    return {">=": padded >= limit, "<=": padded <= limit, "<": padded < limit, ">": padded > limit}[operator]


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", version, maxsplit=1)[0]))


def _padded(release: tuple[int, ...], width: int) -> tuple[int, ...]:
    return release + (0,) * (width - len(release))
