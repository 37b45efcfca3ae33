"""What it means that a request cannot be signed, in one place for the services that ask for it."""

from __future__ import annotations

from azure.core.exceptions import AzureError, ClientAuthenticationError


def unsigned(error: AzureError) -> str | None:
    """What to say where a request could not be sent for want of a token or key; None if it is another error.

    A service that refuses a token answers with a status, which this has not.
    """
    if not isinstance(error, ClientAuthenticationError) or error.status_code is not None:
        return None
    why = str(error.message).strip().partition("\n")[0]
    return f"{why} Give the program an identity (az login, or a managed identity), or a whole connection string"
