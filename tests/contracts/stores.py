"""The stores that the shared suite proves, each made fresh with a clock that the test moves."""

from __future__ import annotations

import atexit
import functools
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from longwire.base.limits import MemoryStoreLimits, RedisStoreLimits, SqliteStoreLimits
from longwire.lab.processes import free_port
from longwire.stores.memory import MemoryStore
from longwire.stores.redis.store import RedisStore
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.store import Store
from tests.redis_servers import RedisServer


@dataclass
class Clock:
    """Unix time in milliseconds that stands still until it is moved."""

    now_ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@dataclass
class Made:
    """A store under test and what the test needs to know of it."""

    store: Store
    clock: Clock
    producer_state_s: float = field(default=3600.0)


@asynccontextmanager
async def make_memory_store() -> AsyncIterator[Made]:
    clock = Clock()
    source = random.Random(7)
    limits = MemoryStoreLimits(producer_state_s=3600.0)
    store = MemoryStore(limits=limits, clock_ms=clock, entropy=source.randbytes)
    yield Made(store, clock)
    await store.close()


@asynccontextmanager
async def make_sqlite_store() -> AsyncIterator[Made]:
    clock = Clock()
    source = random.Random(7)
    limits = SqliteStoreLimits(producer_state_s=3600.0)
    with tempfile.TemporaryDirectory(prefix="longwire-sqlite-") as folder:
        path = Path(folder) / "streams.db"
        store = SqliteStore(path, limits=limits, clock_ms=clock, entropy=source.randbytes)
        await store.start()
        yield Made(store, clock)
        await store.close()


@functools.cache
def shared_redis(**settings: str) -> RedisServer:
    """One Redis for all tests of this process, who each begin with an empty one."""
    folder = tempfile.TemporaryDirectory(prefix="longwire-redis-")
    server = RedisServer(Path(folder.name), **settings)
    server.start()
    atexit.register(folder.cleanup)
    atexit.register(server.kill)
    return server


@functools.cache
def shared_cluster_node() -> RedisServer:
    """A Redis that is a cluster by itself: it refuses a script whose keys have several slots."""
    server = shared_redis(cluster_enabled="yes", cluster_port=str(free_port()))
    assert server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == "OK"
    deadline = time.monotonic() + 30
    while "cluster_state:ok" not in server.ask("CLUSTER", "INFO"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return server


@asynccontextmanager
async def make_redis_store(find_server: Callable[[], RedisServer]) -> AsyncIterator[Made]:
    clock = Clock()
    source = random.Random(7)
    limits = RedisStoreLimits(producer_state_s=3600.0)
    server = find_server()
    server.ask("FLUSHALL")
    store = RedisStore(server.url, limits=limits, clock_ms=clock, entropy=source.randbytes)
    await store.start()
    yield Made(store, clock)
    await store.close()


STORES: dict[str, Callable[[], AbstractAsyncContextManager[Made]]] = {
    "memory": make_memory_store,
    "sqlite": make_sqlite_store,
    "redis": functools.partial(make_redis_store, shared_redis),
    "redis-cluster-node": functools.partial(make_redis_store, shared_cluster_node),
}
