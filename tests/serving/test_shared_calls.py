"""Requests of several users share calls of the model."""

from __future__ import annotations

import asyncio

import pytest

from faceinpaint.serving.together import Together


def test_what_comes_while_a_call_runs_goes_together_in_the_next():
    calls: list[list[int]] = []

    async def twice(numbers: list[int]) -> list[int]:
        calls.append(numbers)
        await asyncio.sleep(0.02)
        return [2 * number for number in numbers]

    async def many() -> list[int]:
        together = Together(twice, most=4)
        first = asyncio.create_task(together(0))
        await asyncio.sleep(0.005)  # the model works on it
        return await asyncio.gather(first, *(together(number) for number in range(1, 8)))

    assert asyncio.run(many()) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert calls == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_an_error_reaches_all_of_its_call_and_no_other():
    async def work(numbers: list[int]) -> list[int]:
        await asyncio.sleep(0.005)
        if 1 in numbers:
            raise ValueError("one")
        return numbers

    async def many() -> list[object]:
        together = Together(work, most=2)
        first = asyncio.create_task(together(0))
        await asyncio.sleep(0.001)
        return await asyncio.gather(first, *(together(number) for number in (1, 2, 3, 4)), return_exceptions=True)

    zero, one, two, three, four = asyncio.run(many())
    assert (zero, three, four) == (0, 3, 4)
    assert all(isinstance(each, ValueError) for each in (one, two))


def test_a_client_that_has_gone_is_not_worked_for():
    calls: list[list[int]] = []

    async def work(numbers: list[int]) -> list[int]:
        calls.append(numbers)
        await asyncio.sleep(0.02)
        return numbers

    async def many() -> int:
        together = Together(work, most=8)
        first = asyncio.create_task(together(0))
        await asyncio.sleep(0.005)
        gone, stays = asyncio.create_task(together(1)), asyncio.create_task(together(2))
        await asyncio.sleep(0.005)
        gone.cancel()
        assert await first == 0
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(many()) == 2
    assert calls == [[0], [2]]
