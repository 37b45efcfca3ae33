"""The clauses of a whole backend on how it is made from a URL, by programs that have only text in hand."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ports import RunStatus

from .clauses import needs
from .contract import opened
from .programs import ProgramClauses

_SECRET = "hunter2"  # noqa: S105 - made up, to be looked for


class AddressClauses(ProgramClauses):
    """What a ``Backend`` promises whose class has ``from_url``."""

    @needs("by_url")
    async def test_a_url_leads_to_the_same_store(self) -> None:
        """A command that is given the URL steers the runs that workers have, and no others."""
        async with self.connect() as backend:
            status = RunStatus(
                run_id=self.id("run"), state="running", blueprint_id="f", created=self.now(), updated=self.now()
            )
            await backend.status.create(status)
            kind = _made_by_url(backend)
            made = kind.from_url(self._url)
            assert not hasattr(made, "name") or "://" not in made.name, "a name is for logs: it shows no URL"
            async with opened(made) as other:
                found = await self.until(lambda: other.status.get(status.run_id))
                assert found.blueprint_id == "f"

    @needs("by_url")
    async def test_a_url_that_means_nothing_is_refused_and_its_secrets_are_kept(self) -> None:
        """A slip would go unnoticed for weeks; and what a command says of it is in everybody's logs."""
        between = "&" if "?" in self._url else "?"
        url = f"{self._url}{between}no-such-option=1&password={_SECRET}"
        async with self.connect() as backend:
            kind = _made_by_url(backend)
            with pytest.raises(ConfigurationError) as raised:
                kind.from_url(url)
            error: BaseException | None = raised.value
            while error is not None:
                assert _SECRET not in f"{error} {error!r}", "a secret of the URL is repeated"
                error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _made_by_url(backend: Any) -> Any:
    """The class that has ``from_url``: that of the backend, or of what it has been put around, its ``inner``."""
    while not hasattr(type(backend), "from_url"):
        assert hasattr(backend, "inner"), f"{type(backend).__qualname__} has no from_url, and no inner that has"
        backend = backend.inner
    return type(backend)
