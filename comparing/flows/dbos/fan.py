"""Three steps side by side, and one that joins them."""

import asyncio

from dbos import DBOS


@DBOS.step()
async def people(city: str) -> int:
    return len(city)


@DBOS.step()
async def places(city: str) -> list[str]:
    return [f"{city} harbour", f"{city} park"]


@DBOS.step()
async def price(city: str) -> float:
    return 1.5


@DBOS.step()
async def total(who: int, where: list[str], each: float, times: int) -> int:
    return int((who + len(where)) * each * times)


@DBOS.workflow()
async def fan(city: str) -> int:
    factor = 2
    who, where, each = await asyncio.gather(people(city), places(city), price(city))
    return await total(who, where, each, factor)
