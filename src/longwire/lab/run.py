"""Carries out a plan: starts everything, lets go wrong what the plan says, and has it judged."""

from __future__ import annotations

import json
import selectors
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from longwire.lab.fleet import FleetSettings
from longwire.lab.ledger import Ledger
from longwire.lab.member import MemberSettings
from longwire.lab.nginx import start_nginx
from longwire.lab.plan import Cut, Drop, Kill, Plan
from longwire.lab.processes import Child, LedChild, RunError, free_port, start_redis
from longwire.lab.proxy import address_of_link
from longwire.lab.read_back import read_back
from longwire.lab.settings import RunSettings
from longwire.lab.targets.registry import ServerSettings, Target, find_target
from longwire.lab.verdict import Verdict

__all__ = ["Outcome", "Progress", "run_plan"]

# How long clients publish on after the last link has healed: what shows that they are back.
AFTERWARDS_S = 5.0
# All has come, and nothing more for so long: a message that comes twice would have come by then.
QUIET_S = 3.0
_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 30.0
_PASSAGE = "127.0.0.1"  # through the proxy, never cut


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is, for whoever watches."""

    phase: str
    elapsed_s: float
    connected: int
    expected: int
    received: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    settings: RunSettings
    verdict: Verdict
    plan: Plan
    proxy: dict[str, int]  # what the proxy counted
    journals: Sequence[Path]
    began_at_s: float  # on the monotonic clock, as the times in the journals


Watch = Callable[[Progress], None]
Measured = TypeVar("Measured")


def run_plan(
    settings: RunSettings,
    plan: Plan,
    *,
    folder: Path | None = None,
    watch: Watch | None = None,
    measure: Callable[[Outcome], list[Measured]] | None = None,
) -> tuple[Outcome, list[Measured]]:
    """Carry out ``plan``; everything that is started is ended.

    Logs and journals are in ``folder``, by default one that is removed; ``measure`` is called while
    the journals are there, and what it returns is returned, too. Raises :exc:`RunError` or
    :exc:`TargetError` when the run cannot be carried through.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="longwire-lab-")))
        run = _Run(settings, plan, folder, stack, watch or (lambda progress: None))
        outcome = run.carry_out()
        return outcome, measure(outcome) if measure is not None else []


class _Run:
    def __init__(
        self, settings: RunSettings, plan: Plan, folder: Path, stack: ExitStack, watch: Watch
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._folder = folder
        self._stack = stack
        self._watch = watch
        self._target: Target = find_target(settings.target)
        self._target.check(settings.node_modules, settings.mount)
        self._servers: list[Child] = []
        self._fleets: list[LedChild] = []
        self._status: dict[str, dict[str, Any]] = {}
        self._events: dict[str, set[str]] = {"ready": set(), "ended": set()}
        self._selector = stack.enter_context(selectors.DefaultSelector())
        self._began = time.monotonic()
        self._phase = "starting"
        # Of its own, so that a store that was there before has nothing of this run.
        self._prefix = f"lab/{time.time_ns():x}"

    def carry_out(self) -> Outcome:
        self._start_servers()
        proxy, port = self._start_proxy()
        self._start_fleets(port)
        self._wait(_START_TIMEOUT_S, lambda: self._have_all("ready"))
        if not self._have_all("ready"):
            raise RunError(f"not all clients are connected after {_START_TIMEOUT_S:g} s")
        began = self._began = time.monotonic()
        self._tell_fleets("go")
        self._phase = "faults"
        self._follow_plan(proxy)
        self._phase = "healed"
        healed_at_s = time.monotonic()
        self._wait(AFTERWARDS_S)
        self._tell_fleets("stop")
        self._phase = "settling"
        self._settle()
        self._phase = "reading back"
        journals = [Path(self._folder / f"{fleet.name}.journal") for fleet in self._fleets]
        journals += self._read_back(port)
        self._tell_fleets("end")
        self._wait(_END_TIMEOUT_S, lambda: self._have_all("ended"))
        proxy.finish()
        counts = proxy.listen_one()
        self._phase = "judging"
        self._report()
        ledger = Ledger.of_journals(self._readers(), journals)
        verdict = ledger.judge(
            healed_at_s=healed_at_s, was_read_back=len(journals) > len(self._fleets)
        )
        return Outcome(self._settings, verdict, self._plan, counts, journals, began)

    # Starting

    def _start_servers(self) -> None:
        settings = self._settings
        if settings.store == "redis" and self._target.has_stores:
            redis = start_redis(self._folder)
            self._stack.callback(redis.kill)
            store = f"redis://127.0.0.1:{redis.port}"
        elif settings.store == "sqlite":
            store = f"sqlite:{self._folder / 'streams.db'}"
        else:
            store = settings.store
        environment = self._target.environment_with(settings.node_modules)
        for number in range(settings.servers):
            given = ServerSettings(free_port(), store, settings.set_flags, settings.mount)
            name = f"server-{number}"
            server = Child(
                name,
                self._target.server(given),
                self._folder,
                environment=environment,
                port=given.port,
            )
            self._stack.callback(server.kill)
            self._servers.append(server)
            server.start()
            server.wait_until_listening()

    def _start_front(self) -> list[int]:
        """Start what stands before the servers; return the ports to connect to."""
        ports = [server.port for server in self._servers]
        if not self._settings.has_nginx:
            return ports
        nginx = start_nginx(self._folder, ports)
        self._stack.callback(nginx.kill)
        return [nginx.port]

    def _start_proxy(self) -> tuple[LedChild, int]:
        arguments = [sys.executable, "-m", "longwire.lab.proxy"]
        arguments += [str(port) for port in self._start_front()]
        proxy = LedChild("proxy", arguments, self._folder)
        self._stack.callback(proxy.kill)
        proxy.start()
        return proxy, proxy.listen_one()["port"]

    def _start_fleets(self, port: int) -> None:
        members = self._members(port)
        environment = self._target.environment_with(self._settings.node_modules)
        count = self._settings.processes
        for number in range(count):
            fleet = LedChild(
                f"fleet-{number}", self._target.fleet, self._folder, environment=environment
            )
            self._stack.callback(fleet.kill)
            fleet.start()
            self._fleets.append(fleet)
            self._selector.register(fleet, selectors.EVENT_READ)
            journal = str(self._folder / f"{fleet.name}.journal")
            fleet.say(msgspec.json.encode(FleetSettings(journal, members[number::count])))

    def _members(self, port: int) -> list[MemberSettings]:
        """The clients, and those that publish to the stream that all of them read."""
        settings = self._settings
        clients = [
            MemberSettings(
                number=number,
                url=self._url(address_of_link(number), port),
                reads=[self._own(number), self._shared],
                publishes=self._own(number),
                per_s=settings.per_s,
                transport=settings.transport,
            )
            for number in range(settings.clients)
        ]
        writers = [
            MemberSettings(
                number=number,
                url=self._url(_PASSAGE, port),
                publishes=self._shared,
                per_s=settings.shared_per_s / settings.writers,
                readers=settings.clients,
                transport=settings.transport,
            )
            for number in self._writers
        ]
        return [*clients, *writers]

    def _url(self, address: str, port: int) -> str:
        return f"http://{address}:{port}{self._target.path(self._settings.mount)}"

    @property
    def _writers(self) -> range:
        first = self._settings.clients
        return range(first, first + self._settings.writers)

    def _own(self, number: int) -> str:
        return f"{self._prefix}/{number}"

    @property
    def _shared(self) -> str:
        return f"{self._prefix}/shared"

    def _readers(self) -> dict[str, dict[int, Sequence[int]]]:
        clients = range(self._settings.clients)
        return {
            "own": {number: [number] for number in clients},
            "shared": dict.fromkeys(self._writers, clients),
        }

    def _read_back(self, port: int) -> list[Path]:
        if self._settings.target != "longwire":
            return []
        path = self._folder / "read-back.journal"
        streams = [self._own(number) for number in range(self._settings.clients)]
        read_back(self._url(_PASSAGE, port), [*streams, self._shared], path)
        return [path]

    # While it runs

    def _follow_plan(self, proxy: LedChild) -> None:
        for event in self._plan.events:
            self._wait_until(self._began + event.at_s)
            if isinstance(event, Kill):
                self._servers[event.server].kill()
                self._servers[event.server].start()
            else:
                proxy.say(_order(event))
        self._wait_until(self._began + self._settings.duration_s)

    def _settle(self) -> None:
        """Wait until all has come and nothing more comes, or for as long as the settings say."""
        quiet_since = time.monotonic()
        received = -1

        def is_settled() -> bool:
            nonlocal quiet_since, received
            if received != self._sum("received"):
                received = self._sum("received")
                quiet_since = time.monotonic()
            has_all = received >= self._sum("expected")
            return has_all and time.monotonic() - quiet_since >= QUIET_S

        self._wait(self._settings.settle_s, is_settled)

    def _wait_until(self, at_s: float) -> None:
        self._wait(max(0.0, at_s - time.monotonic()))

    def _wait(self, for_s: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Take the fleets' messages for so long, or until ``is_over`` says so after one."""
        deadline = time.monotonic() + for_s
        while not is_over() and (left_s := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left_s):
                fleet = key.fileobj
                assert isinstance(fleet, LedChild)
                self._listen(fleet)

    def _listen(self, fleet: LedChild) -> None:
        messages = fleet.listen()
        if not messages:
            self._selector.unregister(fleet)
            if fleet.name not in self._events["ended"]:
                raise fleet.failure("has ended by itself")
        for message in messages:
            if message["event"] != "status":
                self._events[message["event"]].add(fleet.name)
                continue
            self._status[fleet.name] = message
            for server in self._servers:
                server.check()
            self._report()

    def _report(self) -> None:
        self._watch(
            Progress(
                phase=self._phase,
                elapsed_s=time.monotonic() - self._began,
                connected=self._sum("connected"),
                expected=self._sum("expected"),
                received=self._sum("received"),
            )
        )

    def _sum(self, name: str) -> int:
        return sum(status[name] for status in self._status.values())

    def _have_all(self, event: str) -> bool:
        return len(self._events[event]) == len(self._fleets)

    def _tell_fleets(self, order: str) -> None:
        for fleet in self._fleets:
            fleet.say(json.dumps({"do": order}).encode())


def _order(event: Cut | Drop) -> bytes:
    if isinstance(event, Drop):
        return json.dumps({"do": "drop", "kind": event.kind.value}).encode()
    order = {"do": "cut", "link": event.link, "kind": event.kind.value}
    return json.dumps(order | {"for_s": event.for_s, "blind_s": event.blind_s}).encode()
