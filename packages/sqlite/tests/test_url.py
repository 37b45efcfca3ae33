import os
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, Self

import pytest
from flowcraft_core import ConfigurationError
from flowcraft_core.durable import backend_from_url, installed_backends, open_url, places, provision_url
from flowcraft_sqlite import SqliteBackend


async def test_a_url_with_an_absolute_path_opens_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a b.db"
    async with open_url(f"sqlite:///{str(path).replace(' ', '%20')}?synchronous=normal&busy_timeout=3") as backend:
        assert isinstance(backend, SqliteBackend)
        assert await backend.status.get("nobody") is None
    assert path.exists()


async def test_a_url_with_three_slashes_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = os.fspath(tmp_path)
    (line,) = await provision_url("sqlite:///runs.db")
    assert line.startswith("sqlite ")
    assert line.endswith(os.path.join(os.path.basename(here), "runs.db"))
    assert (tmp_path / "runs.db").exists()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://runs.db", "write sqlite:///runs.db"),
        ("sqlite:///", "needs the path of a file"),
        ("sqlite:///runs.db?synchronous=never", "synchronous='never'"),
        ("sqlite:///runs.db?busy_timeout=long", "must be a number"),
        ("sqlite:///runs.db?sync=full", "no option 'sync'; there are: busy_timeout, synchronous"),
        ("mydb:///runs.db", "no backend 'mydb' is installed"),
    ],
)
def test_what_a_url_says_wrongly_is_named(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        backend_from_url(url)


def test_installed_backends_are_known_by_their_schemes() -> None:
    assert "sqlite" in installed_backends()


class _Refusing:
    @classmethod
    def from_url(cls, url: str) -> Self:
        raise ValueError(f"cannot read {url}")


def _bring(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    points = [EntryPoint("mydb", value, places.GROUP) for value in values]

    def found(**_: Any) -> EntryPoints:
        return EntryPoints(points)

    monkeypatch.setattr(places, "entry_points", found)


def test_an_error_of_a_backend_that_repeats_the_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_class_for", lambda scheme: _Refusing)
    with pytest.raises(ConfigurationError, match="does not take this URL") as raised:
        backend_from_url("mydb://me:hunter2@host")
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_backend_that_knows_no_urls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _bring(monkeypatch, "pathlib:PurePath")
    with pytest.raises(ConfigurationError, match=r"pathlib\S*\.PurePath\) cannot be made from a URL"):
        backend_from_url("mydb://host")


def test_a_backend_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _bring(monkeypatch, "no_such_module:Backend")
    with pytest.raises(ConfigurationError, match=r"'mydb' .* cannot be loaded: No module named 'no_such_module'"):
        backend_from_url("mydb://host")


def test_two_backends_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _bring(monkeypatch, "a:Backend", "b:Backend")
    with pytest.raises(ConfigurationError, match="several packages bring a backend 'mydb'"):
        backend_from_url("mydb://host")
