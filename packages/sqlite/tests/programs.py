"""What the tests run as processes of their own: ``python programs.py <program> <file> <arguments>``."""

import asyncio
import os
import sys

from flowcraft_core.ports import Fact, Message
from flowcraft_sqlite import SqliteBackend


def say(text: str) -> None:
    """Tell the test, at once and as a whole, also when this process is killed right after."""
    os.write(1, f"{text}\n".encode())


async def hammer(path: str, name: str, number: str) -> None:
    """Put facts that others put as well, claim what others claim, count, and move messages until none are left."""
    async with SqliteBackend(path, busy_timeout=60) as backend:
        context, queue = backend.context, backend.queue

        async def one(place: int) -> None:
            if await context.put("run", f"shared {place}", Fact(name.encode(), name)) is None:
                say(f"won {place}")
            assert await context.put("run", f"{name} {place}", Fact(b"mine", name)) is None
            if await backend.coordination.set_if_absent(f"lease {place}", name, ttl=600):
                say(f"claimed {place}")
            await backend.coordination.increment("counter", ttl=600)
            await backend.coordination.add_members("set", name, ttl=600)
            await queue.send([Message(f"{name} {place}")])

        async def worker() -> None:
            while (
                deliveries := await queue.receive(max_messages=3, wait=0.1, visibility=600)
            ) or not all_sent.is_set():
                for delivery in deliveries:
                    say(f"did {delivery.body}")
                await queue.acknowledge(deliveries)

        all_sent = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(worker())
            await asyncio.gather(*(one(place) for place in range(int(number))))
            all_sent.set()


async def write_for_ever(path: str, name: str) -> None:
    """Put facts and send messages, and say what has been answered."""
    async with SqliteBackend(path, busy_timeout=60) as backend:

        async def chain(branch: int) -> None:
            place = 0
            while True:
                key = f"{branch}.{place}"
                # Of all sizes: a kill may come in the middle of a commit of many pages.
                assert (
                    await backend.context.put(name, key, Fact(key.encode() * (1 + place * 997 % 3_000), name)) is None
                )
                say(f"put {key}")
                await backend.queue.send([Message(f"{name} {key}")])
                say(f"sent {key}")
                await backend.coordination.add_members(f"{name} {branch}", str(place % 50), ttl=600)
                place += 1

        async with asyncio.TaskGroup() as tasks:
            for branch in range(5):
                tasks.create_task(chain(branch))


async def send(path: str, body: str) -> None:
    """Send one message, once the test says so."""
    async with SqliteBackend(path) as backend:
        say("ready")
        sys.stdin.readline()
        await backend.queue.send([Message(body)])


async def open_and_put(path: str, key: str) -> None:
    """Open the file at the same time as others do."""
    say("ready")
    sys.stdin.readline()
    async with SqliteBackend(path) as backend:
        assert await backend.context.put("run", key, Fact(b"", "writer")) is None


async def fork(path: str) -> None:
    """Use, in a child, what the parent has opened."""
    async with SqliteBackend(path) as backend:
        await backend.context.put("run", "before", Fact(b"", "writer"))
        child = os.fork()
        if not child:
            for attempt in (backend.context.get("run", ["before"]), backend.close()):
                try:
                    await attempt
                except Exception as error:
                    say(f"{type(error).__name__}: {error}")
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
        await backend.context.put("run", "after", Fact(b"", "writer"))


async def hold(path: str, *beside: str) -> None:
    """Hold a message until this is killed, with a child beside that lives for as long as the test says."""
    async with SqliteBackend(path) as backend:
        (delivery,) = await backend.queue.receive(max_messages=1, wait=30, visibility=600)
        if beside == ("fork",) and not os.fork():
            sys.stdin.readline()
            os._exit(0)
        if beside == ("program",):
            await asyncio.create_subprocess_exec(sys.executable, "-c", "input()")
        say(delivery.body)
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
