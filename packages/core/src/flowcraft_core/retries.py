"""When a failed attempt is tried again. Pure: the jitter is drawn from a hash of the instance, not from chance."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import datetime

import attrs

from .blueprint import NodeConfig
from .durations import Duration, parse_seconds
from .errors import ConfigurationError, StepError
from .settings import LONGEST, number, whole


class RetryAfter(StepError):  # noqa: N818 - what a step asks for, and not what went wrong
    """Raise this from a step to have it tried again at a time that it knows, as services say with ``Retry-After``.

    It is a failed attempt like any other, but for the delay, and for the policy's ``non_retryable`` and ``retry_if``,
    which are not asked. One that does not count is no attempt at all: however often it comes, up to the policy's
    ``max_deferrals``, as many attempts are left as before. It needs no policy.

    Attributes:
        counts: Whether it is one of the policy's attempts.
    """

    def __init__(self, after: Duration | datetime, reason: str = "", *, counts: bool = True) -> None:
        """Ask for it.

        Args:
            after: How long from now on: seconds, a ``timedelta``, or text such as ``"20m"``; or when, with a time zone.
            reason: Why, for people.
            counts: Whether it is an attempt.

        Raises:
            ConfigurationError: It is neither a duration nor a time with a zone.
        """
        self._at: float | None = None
        self._seconds = 0.0
        if not isinstance(after, datetime):
            self._seconds = parse_seconds("RetryAfter", after, zero=True)
        elif after.tzinfo is None:
            raise ConfigurationError(f"RetryAfter: {after} has no time zone: give it one, such as timezone.utc")
        else:
            self._at = after.timestamp()
        self.counts = counts
        super().__init__(
            reason or f"the step asks to be tried again {'at' if self._at is not None else 'after'} {after}"
        )

    def delay(self, now: float) -> float:
        """How long from now on, seconds.

        Args:
            now: Seconds since the epoch.
        """
        return self._seconds if self._at is None else min(LONGEST, max(0.0, self._at - now))


def _seconds(delays: Iterable[Duration]) -> tuple[float, ...]:
    if isinstance(delays, (str, bytes)) or not isinstance(delays, Iterable):
        raise ConfigurationError(f"RetryPolicy: delays takes a sequence of durations, not {delays!r:.80}")
    return tuple(parse_seconds("RetryPolicy: delays", delay, zero=True) for delay in delays)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, and how long apart, a node is tried.

    Attributes:
        delays: The delays one by one, instead of ``delay``, ``backoff`` and ``max_delay``: seconds, or text such as
            ``"20m"``. The last one is that of all further attempts, too.
        max_attempts: Attempts in all, the first included; by default one more than there are ``delays``, or else 3.
        delay: Seconds before the second attempt.
        backoff: Factor by which the delay grows with each further attempt.
        max_delay: Longest delay, seconds.
        jitter: Share of the delay that is spread at random, 0 (none) to 1 (anywhere between 0 and the delay).
        non_retryable: Exception classes, or their names, that end the attempts at once.
        retry_if: A plain function of the error that says whether it is worth another attempt; or the name of one in the
            runtime's registry.
        max_deferrals: How often a step may raise ``RetryAfter`` that does not count; further ones do.
    """

    delays: tuple[float, ...] = attrs.field(default=(), converter=_seconds)
    max_attempts: int = attrs.field()
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.1
    non_retryable: tuple[type[BaseException] | str, ...] = ()
    retry_if: Callable[[BaseException], bool] | str | None = None
    max_deferrals: int = 100

    @max_attempts.default
    def _one_more_than_delays(self) -> int:
        return len(self.delays) + 1 if self.delays else 3

    def __attrs_post_init__(self) -> None:
        whole("RetryPolicy: max_attempts", self.max_attempts, least=1)
        number("RetryPolicy: delay", self.delay, least=0)
        number("RetryPolicy: max_delay", self.max_delay, least=0)
        number("RetryPolicy: backoff", self.backoff, above=0)
        number("RetryPolicy: jitter", self.jitter, least=0, most=1)
        whole("RetryPolicy: max_deferrals", self.max_deferrals, least=0)
        asked = self.retry_if
        if not (asked is None or isinstance(asked, str) or callable(asked)) or inspect.iscoroutinefunction(asked):
            raise ConfigurationError(
                f"RetryPolicy: retry_if takes a plain function of the error, or its name, not {asked!r:.80}"
            )
        entries: object = self.non_retryable
        if not isinstance(entries, (tuple, list)) or not all(
            isinstance(entry, str) or (isinstance(entry, type) and issubclass(entry, BaseException))
            for entry in entries
        ):
            raise ConfigurationError(
                f"RetryPolicy: non_retryable takes a tuple of exception classes or their names, not {entries!r:.80}"
            )

    @classmethod
    def from_config(cls, config: NodeConfig | None) -> RetryPolicy:
        """The policy that a blueprint's ``config`` stands for; without one, a single attempt.

        A delay that the blueprint does not give is 0, as in the TypeScript original.
        """
        if config is None:
            return SINGLE_ATTEMPT
        return cls(
            max_attempts=max(1, config.max_retries or 1),
            delay=min(LONGEST, (config.retry_delay or 0.0) / 1000),
            backoff=min(LONGEST, config.retry_backoff or 1.0),
            max_delay=cls().max_delay
            if config.retry_max_delay is None
            else min(LONGEST, config.retry_max_delay / 1000),
            jitter=min(1.0, config.retry_jitter or 0.0),
            non_retryable=config.non_retryable_errors or (),
            delays=tuple(min(LONGEST, delay / 1000) for delay in config.retry_delays or ()),
            retry_if=config.retry_if,
            max_deferrals=cls().max_deferrals if config.max_deferrals is None else config.max_deferrals,
        )

    def delay_after(self, attempt: int, seed: str) -> float:
        """Seconds to wait after the failure of attempt number ``attempt`` (1, 2, ...).

        Args:
            attempt: The attempt that failed.
            seed: The instance's idempotency key; the same seed and attempt always give the same delay.
        """
        if self.delays:
            full = self.delays[min(attempt, len(self.delays)) - 1]
            return full * (1 - self.jitter * _draw(seed, attempt))
        try:
            # As a float: a whole number to such a power would be computed digit by digit.
            full = min(self.max_delay, self.delay * float(self.backoff) ** (attempt - 1))
        except OverflowError:
            full = self.max_delay
        return full * (1 - self.jitter * _draw(seed, attempt))

    def retries(self, error: BaseException) -> bool:
        """Whether an error of this class is worth another attempt."""
        names = {cls.__name__ for cls in type(error).__mro__}
        return not any(
            entry in names if isinstance(entry, str) else isinstance(error, entry) for entry in self.non_retryable
        )


def _draw(seed: str, attempt: int) -> float:
    import hashlib  # noqa: PLC0415 # for retries with jitter

    return int.from_bytes(hashlib.sha256(f"{seed}#{attempt}".encode()).digest()[:8], "big") / 2**64


SINGLE_ATTEMPT = RetryPolicy(max_attempts=1, delay=0.0)
