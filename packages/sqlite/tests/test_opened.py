"""That a file was taken away is noticed, though its log is looked at seldom."""

import os
from pathlib import Path

import pytest
from flowcraft_core.errors import BackendGoneError
from flowcraft_sqlite import _opened
from flowcraft_sqlite._opened import Opened

LONG_AGO = (1e9, 1e9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for end in ("", "-wal"):
        (tmp_path / f"flowcraft.db{end}").write_text("content")
    return tmp_path / "flowcraft.db"


@pytest.fixture
def log(path: Path) -> Path:
    return path.with_name("flowcraft.db-wal")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen, stat = list[str](), _opened._stat

    def noting(path: str) -> os.stat_result | None:
        seen.append(path)
        return stat(path)

    monkeypatch.setattr(_opened, "_stat", noting)
    return seen


def test_the_log_is_looked_at_once_as_long_as_no_name_beside_it_changes(
    path: Path, log: Path, looks: list[str]
) -> None:
    opened = Opened(str(path))
    os.utime(path.parent, LONG_AGO)
    looks.clear()
    for _ in range(10):
        opened.require()
    assert (looks.count(str(path)), looks.count(str(log))) == (10, 1)


def test_as_long_as_the_folder_has_changed_just_now_the_log_is_looked_at(
    path: Path, log: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(str(path))
    changed = os.stat(path.parent).st_mtime_ns
    monkeypatch.setattr("time.time_ns", lambda: changed + 1)
    looks.clear()
    for _ in range(10):
        opened.require()
    assert looks.count(str(log)) == 10
    log.unlink()
    os.utime(path.parent, ns=(changed, changed))  # in the same tick of a slow clock
    with pytest.raises(BackendGoneError, match="-wal' was deleted"):
        opened.require()


def test_a_log_that_is_taken_away_later_is_missed(path: Path, log: Path) -> None:
    opened = Opened(str(path))
    os.utime(path.parent, LONG_AGO)
    opened.require()
    log.rename(path.with_name("other")).rename(log)
    opened.require()  # it is the same again
    log.unlink()
    with pytest.raises(BackendGoneError, match="-wal' was deleted"):
        opened.require()


def test_where_a_folder_s_time_tells_nothing_the_log_is_missed_all_the_same(
    path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(str(path))
    os.utime(path.parent, LONG_AGO)
    opened.require()
    log.unlink()
    os.utime(path.parent, LONG_AGO)
    monkeypatch.setattr(_opened, "_LOOK_EVERY", 0.0)  # as if so much time had passed
    with pytest.raises(BackendGoneError, match="-wal' was deleted"):
        opened.require()


def test_the_file_itself_is_looked_at_each_time(path: Path) -> None:
    opened = Opened(str(path))
    os.utime(path.parent, LONG_AGO)
    opened.require()
    path.write_text("")
    with pytest.raises(BackendGoneError, match="was emptied"):
        opened.require()
    other = path.with_name("other")
    other.write_text("content")
    os.replace(other, path)
    os.utime(path.parent, LONG_AGO)
    with pytest.raises(BackendGoneError, match="was replaced by another"):
        opened.require()
    path.unlink()
    with pytest.raises(BackendGoneError, match="was deleted"):
        opened.require()


def test_a_file_without_a_log_beside_it_is_none_that_was_deleted(path: Path, log: Path) -> None:
    """As where the name is a link to another folder: the log is there."""
    log.unlink()
    Opened(str(path)).require()
