import asyncio
from collections.abc import Sequence

import pytest
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_postgres._gathering import MOST_BYTES, Gathering, parts
from hypothesis import given
from hypothesis import strategies as st


class Requests:
    """Notes the requests; each is answered when it is let."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.refused: dict[int, BackendError] = {}

    async def make(self, items: Sequence[int]) -> Sequence[int]:
        self.made.append(list(items))
        await self.may_answer.wait()
        for item in items:
            if item in self.refused:
                raise self.refused[item]
        return [10 * item for item in items]


async def test_what_is_asked_for_in_one_pass_is_one_request() -> None:
    requests = Requests()
    gathering = Gathering(requests.make, most=100)
    assert await asyncio.gather(*(gathering.submit(item) for item in range(5))) == [0, 10, 20, 30, 40]
    assert requests.made == [[0, 1, 2, 3, 4]]


async def test_what_comes_while_requests_are_under_way_shares_the_next() -> None:
    requests = Requests()
    requests.may_answer.clear()
    gathering = Gathering(requests.make, most=100)
    asked = []
    for item in range(6):
        asked.append(gathering.submit(item))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    requests.may_answer.set()
    assert await asyncio.gather(*asked) == [10 * item for item in range(6)]
    assert requests.made == [[0], [1], [2, 3, 4, 5]]


async def test_a_request_has_so_many_items_and_bytes_at_most() -> None:
    requests = Requests()
    gathering = Gathering(requests.make, most=3)
    sizes = [1, 1, 1, 1, MOST_BYTES, 1, 2 * MOST_BYTES, 1]
    await asyncio.gather(*(gathering.submit(item, size) for item, size in enumerate(sizes)))
    assert sorted(item for items in requests.made for item in items) == list(range(8))
    assert all(len(items) <= 3 for items in requests.made)
    assert all(len(items) == 1 or sum(sizes[item] for item in items) <= MOST_BYTES for items in requests.made)


async def test_what_is_refused_is_refused_to_whoever_asked_for_it() -> None:
    requests = Requests()
    requests.refused = {2: BackendError("no")}
    gathering = Gathering(requests.make, most=100)
    answers = await asyncio.gather(*(gathering.submit(item) for item in range(4)), return_exceptions=True)
    assert [answer if isinstance(answer, int) else str(answer) for answer in answers] == [0, 10, "no", 30]


async def test_what_may_succeed_later_is_said_to_all() -> None:
    requests = Requests()
    requests.refused = {2: TransientError("later")}
    gathering = Gathering(requests.make, most=100)
    answers = await asyncio.gather(*(gathering.submit(item) for item in range(4)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [TransientError] * 4
    assert len({id(answer) for answer in answers}) == 4, "each has one of its own to raise"
    assert requests.made == [[0, 1, 2, 3]]


async def test_what_is_not_waited_for_any_more_is_carried_out_all_the_same() -> None:
    requests = Requests()
    gathering = Gathering(requests.make, most=100)
    first, second = gathering.submit(1), gathering.submit(2)
    first.cancel()
    assert await second == 20
    assert requests.made == [[1, 2]]
    gathering.submit(3).cancel()
    await gathering.settle()
    assert requests.made[1:] == [[3]]


@given(st.lists(st.integers(0, 2 * MOST_BYTES)), st.integers(1, 5))
def test_parts_have_all_of_it_in_order(sizes: list[int], most: int) -> None:
    slices = parts(sizes, most)
    places = list(range(len(sizes)))
    assert [place for part in slices for place in places[part]] == places
    for part in slices:
        assert 1 <= len(sizes[part]) <= most
        assert len(sizes[part]) == 1 or sum(sizes[part]) <= MOST_BYTES


def test_nothing_is_no_part() -> None:
    assert parts([], 5) == []


async def test_an_error_of_our_own_is_told_as_it_is() -> None:
    async def fail(items: Sequence[int]) -> Sequence[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Gathering(fail, most=1).submit(1)


@given(
    turns=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), min_size=1, max_size=5),
    answers=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    most=st.integers(1, 3),
)
def test_everybody_who_asks_gets_an_answer_whenever_others_get_theirs(
    turns: list[list[int]], answers: list[int], most: int
) -> None:
    """Also who asks at the very moment at which the last request has come to its end."""

    async def asked() -> None:
        made = 0

        async def flush(items: Sequence[int]) -> Sequence[int]:
            nonlocal made
            made += 1
            for _ in range(answers[made % len(answers)]):
                await asyncio.sleep(0)
            return items

        gathering = Gathering(flush, most=most)

        async def ask(pauses: list[int]) -> None:
            for item, pause in enumerate(pauses):
                for _ in range(pause):
                    await asyncio.sleep(0)
                assert await gathering.submit(item) == item

        await asyncio.wait_for(asyncio.gather(*(ask(pauses) for pauses in turns)), 2)
        await asyncio.wait_for(gathering.settle(), 2)

    asyncio.run(asked())
