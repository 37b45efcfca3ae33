"""The clauses on URLs bite: what they are asked of here is in memory, with one defect each."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import Clock, SystemClock
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.urls import BackendUrl
from flowcraft_testkit import InMemoryBackend
from flowcraft_testkit.contracts import BackendContract
from flowcraft_testkit.contracts.contract import opened


class _ByUrl(InMemoryBackend):
    """In memory, under a URL for as long as a test."""

    store: InMemoryBackend

    @classmethod
    def from_url(cls, url: str) -> InMemoryBackend:
        BackendUrl.parse(url, ("mode",))
        return cls.store.connect()


class _Elsewhere(_ByUrl):
    @classmethod
    def from_url(cls, url: str) -> InMemoryBackend:
        BackendUrl.parse(url, ("mode",))
        return InMemoryBackend()


class _TakesAnything(_ByUrl):
    @classmethod
    def from_url(cls, url: str) -> InMemoryBackend:
        return cls.store.connect()


class _Repeats(_ByUrl):
    @classmethod
    def from_url(cls, url: str) -> InMemoryBackend:
        raise ConfigurationError(f"{url} cannot be read")


class _RepeatsBelow(_ByUrl):
    @classmethod
    def from_url(cls, url: str) -> InMemoryBackend:
        try:
            raise ValueError(url)
        except ValueError as error:
            raise ConfigurationError("it cannot be read") from error


def _contract(kind: type[_ByUrl], clock: Clock) -> Any:
    kind.store = kind(clock=clock)
    contract: Any = BackendContract()
    contract.begin(lambda: opened(kind.store), clock, url="mem://here?mode=1")
    contract.patience = 0.2
    return contract


async def test_a_sound_backend_keeps_the_clauses() -> None:
    clock = SystemClock()
    await _contract(_ByUrl, clock).test_a_url_leads_to_the_same_store()
    await _contract(_ByUrl, clock).test_a_url_that_means_nothing_is_refused_and_its_secrets_are_kept()


async def test_a_url_that_leads_elsewhere_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"after 0\.2 s"):
        await _contract(_Elsewhere, SystemClock()).test_a_url_leads_to_the_same_store()


@pytest.mark.parametrize("kind", [_TakesAnything, _Repeats, _RepeatsBelow])
async def test_a_url_that_is_taken_too_easily_or_repeated_is_noticed(kind: type[_ByUrl]) -> None:
    clause = _contract(kind, SystemClock()).test_a_url_that_means_nothing_is_refused_and_its_secrets_are_kept
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await clause()
