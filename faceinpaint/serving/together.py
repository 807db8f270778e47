"""One call for all that wait: how requests of several users share a forward pass of the model."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Answers single calls by ``work``, which takes what waits, up to ``most`` at a time, one call after another.

    The first caller does not wait; those that come while the model works go together when it is free. Ray Serve's own
    ``serve.batch`` closes a batch some milliseconds after its first request, also while the batch before is worked on,
    so that behind a model that is slower than its requests come, batches of one wait in a row.
    """

    def __init__(self, work: Callable[[list[T]], Awaitable[list[R]]], most: int):
        self.work, self.most = work, most
        self.waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self.worker: asyncio.Task[None] | None = None

    async def __call__(self, one: T) -> R:
        """What ``work`` returns for ``one``; raises what it raises."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.waiting.append((one, answer))
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self.waiting:
            taken = [self.waiting.popleft() for _ in range(min(self.most, len(self.waiting)))]
            wanted = [(one, answer) for one, answer in taken if not answer.done()]  # a client may have gone
            if not wanted:
                continue
            try:
                results = await self.work([one for one, _ in wanted])
            except Exception as error:
                for _, answer in wanted:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), result in zip(wanted, results, strict=True):
                if not answer.done():
                    answer.set_result(result)
