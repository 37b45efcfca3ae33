"""A failure is made good, and something is tidied up in any case."""

from dbos import DBOS

tidied: list[str] = []


@DBOS.step()
def reserve(card: str) -> int:
    return 40


@DBOS.step()
def charge(euros: int, card: str) -> str:
    if card == "expired":
        raise PermissionError(f"the card is {card}")
    return f"{euros} paid"


@DBOS.step()
def ship(paid: str) -> str:
    return f"{paid}, shipped"


@DBOS.step()
def release(euros: int, message: str) -> str:
    return f"{euros} released, {message}"


@DBOS.step()
def tidy(by: str) -> None:
    tidied.append(by)


@DBOS.workflow()
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
