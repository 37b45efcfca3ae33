import pytest
from flowcraft_core import ConfigurationError
from flowcraft_core.urls import BackendUrl, hide_secrets, scheme_of


def test_a_url_is_taken_apart() -> None:
    url = BackendUrl.parse("mydb://user:pw@host:5000/a%20b/c?pool=5&mode=fast", ("mode", "pool"))
    assert (url.scheme, url.host, url.path) == ("mydb", "host:5000", "/a b/c")
    assert (url.options["mode"], url.number("pool", 1), url.number("other", 2.5)) == ("fast", 5.0, 2.5)


@pytest.mark.parametrize("shown", [str, repr])
def test_neither_text_nor_repr_of_a_url_shows_a_secret(shown: type[str]) -> None:
    url = BackendUrl.parse("mydb://me:hunter2@host/x?api_key=hunter2&mode=fast&Password=hunter2")
    assert "hunter2" not in shown(url)
    assert "me:" not in shown(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///runs.db", "sqlite:///runs.db"),
        ("mydb://TOKEN@host/x?mode=fast&sig=abc", "mydb://***@host/x?mode=fast&sig=***"),
        ("DefaultEndpointsProtocol=https;AccountKey=hunter2", "***"),
        ("mydb://[host", "***"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert hide_secrets(url) == shown


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("runs.db", "no URL of a backend"),
        ("AccountName=a;AccountKey=hunter2", "no URL of a backend"),
        ("mydb://host?mode=fast&mode=hunter2-key", "given twice"),
        ("mydb://me:hunter2@host?misspelt=1", "no option 'misspelt'; there are: mode"),
        ("mydb://host?mode", "cannot be read"),
        ("mydb://[hunter2?mode=1", "cannot be read"),
        ("mydb://host/x#hunter2", "behind a '#'"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_repeating_a_secret(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        BackendUrl.parse(url, ("mode",))
    assert "hunter2@" not in str(raised.value)
    assert "AccountKey" not in str(raised.value)


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="option 'pool' must be a number"):
        BackendUrl.parse("mydb://host?pool=many").number("pool", 1)


def test_schemes_do_not_depend_on_case() -> None:
    assert scheme_of("SQLite:///x") == "sqlite"
