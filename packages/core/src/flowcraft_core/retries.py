"""When a failed attempt is tried again. Pure: the jitter is drawn from a hash of the instance, not from chance."""

from __future__ import annotations

import hashlib

import attrs

from .blueprint import NodeConfig
from .errors import ConfigurationError
from .settings import LONGEST, number, whole


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, and how long apart, a node is tried.

    Attributes:
        max_attempts: Attempts in all, the first included.
        delay: Seconds before the second attempt.
        backoff: Factor by which the delay grows with each further attempt.
        max_delay: Longest delay, seconds.
        jitter: Share of the delay that is spread at random, 0 (none) to 1 (anywhere between 0 and the delay).
        non_retryable: Exception classes, or their names, that end the attempts at once.
    """

    max_attempts: int = 3
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.1
    non_retryable: tuple[type[BaseException] | str, ...] = ()

    def __attrs_post_init__(self) -> None:
        whole("RetryPolicy: max_attempts", self.max_attempts, least=1)
        number("RetryPolicy: delay", self.delay, least=0)
        number("RetryPolicy: max_delay", self.max_delay, least=0)
        number("RetryPolicy: backoff", self.backoff, above=0)
        number("RetryPolicy: jitter", self.jitter, least=0, most=1)
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
        )

    def delay_after(self, attempt: int, seed: str) -> float:
        """Seconds to wait after the failure of attempt number ``attempt`` (1, 2, ...).

        Args:
            attempt: The attempt that failed.
            seed: The instance's idempotency key; the same seed and attempt always give the same delay.
        """
        try:
            # As a float: a whole number to such a power would be computed digit by digit.
            full = min(self.max_delay, self.delay * float(self.backoff) ** (attempt - 1))
        except OverflowError:
            full = self.max_delay
        draw = int.from_bytes(hashlib.sha256(f"{seed}#{attempt}".encode()).digest()[:8], "big") / 2**64
        return full * (1 - self.jitter * draw)

    def retries(self, error: BaseException) -> bool:
        """Whether an error of this class is worth another attempt."""
        names = {cls.__name__ for cls in type(error).__mro__}
        return not any(
            entry in names if isinstance(entry, str) else isinstance(error, entry) for entry in self.non_retryable
        )


SINGLE_ATTEMPT = RetryPolicy(max_attempts=1, delay=0.0)
