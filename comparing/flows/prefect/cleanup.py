"""A failure is made good, and something is tidied up in any case."""

from prefect import flow, task

tidied: list[str] = []


@task
def reserve(card: str) -> int:
    return 40


@task
def charge(euros: int, card: str) -> str:
    if card == "expired":
        raise PermissionError(f"the card is {card}")
    return f"{euros} paid"


@task
def ship(paid: str) -> str:
    return f"{paid}, shipped"


@task
def release(euros: int, message: str) -> str:
    return f"{euros} released, {message}"


@task
def tidy(by: str) -> None:
    tidied.append(by)


@flow
def cleanup(card: str) -> str:
    clerk = "Ada"
    euros = reserve(card)
    try:
        paid = charge(euros, card)
    except PermissionError as error:
        return release(euros, str(error))
    else:
        return ship(paid)
    finally:
        tidy(clerk)
