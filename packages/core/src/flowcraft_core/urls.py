"""URLs of backends: how an adapter reads one, and how anybody shows one without what must stay secret."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import attrs

from .errors import ConfigurationError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")
# What an option is called whose value opens something.
_SECRET = re.compile(r"key|secret|token|pass|pwd|sig|auth|cred|connection", re.IGNORECASE)
_HIDDEN = "***"


def scheme_of(url: str) -> str:
    """The name of the backend that a URL is for.

    Raises:
        ConfigurationError: It is no such URL. The message does not repeat it: it may be a connection string.
    """
    found = _SCHEME.match(url)
    if found is None or not url.startswith("://", found.end()):
        raise ConfigurationError(
            "that is no URL of a backend: give one such as sqlite:///runs.db, aws://REGION/NAME or azure://ACCOUNT/DATABASE"
        )
    return found[0].lower()


def hide_secrets(url: str) -> str:
    """A URL as it may be shown: without users and passwords, and without the values of options that sound secret."""
    try:
        scheme, parts = scheme_of(url), urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        options = parse_qsl(parts.query, keep_blank_values=True)
    except (ConfigurationError, ValueError):
        return _HIDDEN
    user = f"{_HIDDEN}@" if "@" in parts.netloc else ""
    shown = "&".join(f"{quote(n)}={_HIDDEN if _SECRET.search(n) else quote(v, safe='/:,')}" for n, v in options)
    return f"{scheme}://{user}{host}{parts.path}{'?' if shown else ''}{shown}"


@attrs.frozen
class BackendUrl:
    """A URL of a backend, taken apart: ``scheme://host/path?option=value``.

    Attributes:
        scheme: The backend's name.
        host: What stands between ``//`` and the next ``/``, without user and password; may be empty.
        path: All behind that, percent-decoded, with its first ``/``; may be empty.
        options: What stands behind ``?``.
        text: The URL itself, with its secrets.
    """

    scheme: str
    host: str
    path: str
    options: Mapping[str, str] = attrs.field(repr=lambda options: ", ".join(options) or "none")
    text: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, url: str, options: Collection[str] | None = None) -> Self:
        """Take a URL apart.

        Args:
            url: The URL.
            options: The options that there are; any, if this is None.

        Raises:
            ConfigurationError: It cannot be read, or an option is unknown or given twice. The message shows no secret.
        """
        scheme, shown = scheme_of(url), hide_secrets(url)
        try:
            parts: SplitResult = urlsplit(url)
            given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise ConfigurationError(
                f"{shown}: this URL cannot be read: write scheme://host/path?option=value"
            ) from None
        if parts.fragment:
            raise ConfigurationError(f"{shown}: nothing may stand behind a '#'; write one that is meant as %23")
        found: dict[str, str] = {}
        for name, value in given:
            if options is not None and name not in options:
                raise ConfigurationError(
                    f"{shown}: there is no option {name!r}; there are: {', '.join(sorted(options)) or 'none'}"
                )
            if name in found:
                raise ConfigurationError(f"{shown}: option {name!r} is given twice")
            found[name] = value
        return cls(scheme, parts.netloc.rpartition("@")[2], unquote(parts.path), found, url)

    def number(self, option: str, otherwise: float) -> float:
        """The value of an option that is a number.

        Args:
            option: The option.
            otherwise: What it is if it is not given.

        Raises:
            ConfigurationError: It is none.
        """
        try:
            return float(self.options.get(option, otherwise))
        except ValueError:
            raise ConfigurationError(f"{self}: option {option!r} must be a number") from None

    def __str__(self) -> str:
        return hide_secrets(self.text)
