"""``longwire.App``: what a user writes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from longwire.base.errors import ConfigError, LongwireError
from longwire.gateways.native.inbox import inbox_of
from longwire.hub.readers import SlowRule
from longwire.identity.principal import Principal
from longwire.server.calls import CallHandler, Calls
from longwire.server.patterns import StreamPattern
from longwire.server.permissions import Access, Action, Permissions, PermitRule
from longwire.server.preconditions import require_condition
from longwire.server.publication import Publication, PublishHook, ShowTo, make_shower
from longwire.server.request import Request
from longwire.server.router import Router
from longwire.server.settings import Settings
from longwire.server.stream_rules import StreamRule, StreamRules
from longwire.streams.position import parse_position

if TYPE_CHECKING:
    from longwire.server.asgi import AsgiRunner
    from longwire.server.asgi_beside import AsgiApplication
    from longwire.server.asgi_exchange import AsgiReceive, AsgiSend, Scope
    from longwire.server.service import Service
    from longwire.server.testing import TestClient
    from longwire.streams.position import Position
    from longwire.streams.store import Appended

__all__ = [
    "Access",
    "App",
    "LifespanHook",
    "Publication",
    "RouteHandler",
    "SocketRoute",
    "WebSocket",
    "WebSocketHandler",
]


class WebSocket(Protocol):
    """A WebSocket as handlers get it: a ``longwire.Connection``, or the like under ASGI."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed."""

    async def recv(self) -> str | bytes:
        """Return the next message."""

    async def send(self, message: str | bytes) -> None:
        """Send a message."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Receive until the connection is closed."""


RouteHandler: TypeAlias = Callable[[Request], Any]
"""A function or coroutine function; what it may return stands at ``make_response``. A plain
function runs on the event loop, so it must not block."""

WebSocketHandler: TypeAlias = Callable[[Any, Request], Awaitable[None]]
"""Gets the open connection and the request; the connection is closed when it returns."""

Authenticator: TypeAlias = Callable[
    [str], "Principal | str | Awaitable[Principal | str | None] | None"
]
"""Gets a token; returns who has it, by name, or ``None`` to refuse it."""

LifespanHook: TypeAlias = Callable[[], "Awaitable[None] | None"]

_Route = TypeVar("_Route", bound=RouteHandler)
_Socket = TypeVar("_Socket", bound=WebSocketHandler)
_Rule = TypeVar("_Rule", bound=PermitRule)
_Hook = TypeVar("_Hook", bound=PublishHook)
_Method = TypeVar("_Method", bound=CallHandler)
_Authenticator = TypeVar("_Authenticator", bound=Authenticator)
_Lifespan = TypeVar("_Lifespan", bound=LifespanHook)

BROWSER_MODULES = ("/longwire.js", "/longwire-http.js", "/longwire-outbox.js")
RESERVED_PATHS = ("/ws", "/healthz", "/readyz", "/metrics", *BROWSER_MODULES)
RESERVED_PREFIXES = ("/streams/", "/api/", "/console")


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """A WebSocket endpoint of the application."""

    handler: WebSocketHandler
    subprotocols: tuple[str, ...]


class App:
    """An application: routes, WebSocket endpoints, permissions and hooks around the streams.

    ``longwire serve module:app`` serves it, and it is an ASGI 3 application as it stands, to be
    mounted in Starlette, FastAPI or any ASGI server. Either way it answers on ``/ws`` and
    ``/streams/…`` too. Register everything before it is served; it belongs to one event loop
    then.

    ``settings`` are for an application that is mounted; without them it reads ``longwire.toml``
    and the ``LONGWIRE_*`` variables as ``longwire serve`` does.

    >>> app = App()
    >>> @app.route("/hello/{name}")
    ... def hello(request):
    ...     return {"hello": request.path_parameters["name"]}
    >>> @app.permit("chat/*")
    ... def anybody(access):
    ...     return True
    >>> @app.on_publish("chat/*")
    ... async def no_shouting(publication):
    ...     if str(publication.data).isupper():
    ...         raise PublishRefused("Please do not shout.")
    """

    def __init__(self, *, settings: Settings | None = None) -> None:
        self.settings = settings
        self.permissions = Permissions()
        self.routes: Router[RouteHandler, SocketRoute] = Router()
        self.calls = Calls()
        self.stream_rules = StreamRules()
        self.publish_hooks: list[tuple[StreamPattern, ShowTo]] = []
        self.authenticator: Authenticator | None = None
        self.start_hooks: list[LifespanHook] = []
        self.stop_hooks: list[LifespanHook] = []
        self._service: Service | None = None
        self._runner: AsgiRunner | None = None

    # -- what a user registers ----------------------------------------------------------------

    def route(
        self,
        path: str,
        *,
        methods: Iterable[str] = ("GET",),
        requires_condition: bool = False,
    ) -> Callable[[_Route], _Route]:
        """Answer HTTP requests to ``path`` with the function below.

        ``path`` may hold parameters: ``/rooms/{room}``, ``/files/{name...}`` for the rest. HEAD
        and OPTIONS are answered by themselves. With ``requires_condition`` a PUT, PATCH, DELETE or
        POST without If-Match or the like is refused with 428; ``Request.check_conditions`` holds
        the condition against what is there. Raises :exc:`~longwire.base.errors.ConfigError` for a
        path that cannot be, or is taken.
        """
        _refuse_reserved(path)

        def register(handler: _Route) -> _Route:
            serving = require_condition(handler) if requires_condition else handler
            self.routes.add(path, methods, serving)
            return handler

        return register

    def websocket(
        self, path: str, *, subprotocols: Sequence[str] = ()
    ) -> Callable[[_Socket], _Socket]:
        """Serve raw WebSocket connections to ``path`` with the coroutine function below.

        It gets the connection and the request. Pages of foreign origins are refused before.
        Errors as for ``route``.
        """
        _refuse_reserved(path)

        def register(handler: _Socket) -> _Socket:
            self.routes.add_websocket(path, SocketRoute(handler, tuple(subprotocols)))
            return handler

        return register

    def permit(
        self, pattern: str, *, actions: Iterable[Action] = ("read", "publish", "presence")
    ) -> Callable[[_Rule], _Rule]:
        """Let the function below decide who may do ``actions`` on the streams of ``pattern``.

        Of the actions, ``"manage"`` (close, delete, limit the life of a stream) is one that has to
        be named.

        It gets an ``Access`` (principal, action, stream) and returns whether that is allowed. The
        first rule whose pattern fits decides; where none does, the configuration's [anonymous]
        section does.
        """

        def register(rule: _Rule) -> _Rule:
            self.permissions.add_rule(pattern, actions, rule)
            return rule

        return register

    def authenticate(self, authenticator: _Authenticator) -> _Authenticator:
        """Let the function below say who a client is by the token that it sent.

        It returns a name (or a ``Principal``), or ``None`` to refuse the token. Clients without a
        token are anonymous. Without this every token is refused that the keys of the section
        [identity] do not accept; where there are such keys, tokens that look like JWTs are not
        shown to the function.
        """
        self.authenticator = authenticator
        return authenticator

    def on_publish(self, pattern: str) -> Callable[[_Hook], _Hook]:
        """Show every entry that a client publishes to the function below, before it is stored.

        It gets a ``Publication``, may change its ``data``, or raise ``longwire.PublishRefused``
        with a sentence for the client. A second argument is the data, checked against its
        annotation (a ``msgspec.Struct``, a dataclass …); what does not fit is refused. Hooks run in
        the order they were registered. What ``App.publish`` stores passes no hook. Raises
        :exc:`~longwire.base.errors.ConfigError` for a function that takes anything else.
        """
        streams = StreamPattern(pattern)

        def register(hook: _Hook) -> _Hook:
            self.publish_hooks.append((streams, make_shower(hook)))
            return hook

        return register

    def stream(
        self,
        pattern: str,
        *,
        keep_latest: bool = False,
        ephemeral: bool = False,
        entries_max: int | None = None,
        bytes_max: int | None = None,
        age_max_s: float | None = None,
        ttl_s: int | None = None,
        slow: Literal["report", "latest", "disconnect"] = "report",
    ) -> None:
        """Say what the streams of ``pattern`` are like. The first pattern that fits holds; a stream
        that is there already stays as it was created.

        * ``keep_latest``: keep only the newest entry of each key (quotes, scores).
        * ``ephemeral``: that, in memory only, whatever the store (typing, cursors in a game).
        * ``entries_max``, ``bytes_max``, ``age_max_s``: what is kept, instead of ``[retention]``.
        * ``ttl_s``: the stream is deleted after so many seconds without use.
        * ``slow``: what becomes of a subscriber whom retention has passed: ``report`` exactly what
          is lost and go on, go on with the ``latest``, or ``disconnect``.

        Raises :exc:`~longwire.base.errors.ConfigError`.
        """
        rule = StreamRule(
            keep_latest=keep_latest,
            ephemeral=ephemeral,
            entries_max=entries_max,
            bytes_max=bytes_max,
            age_max_s=age_max_s,
            ttl_s=ttl_s,
            slow=SlowRule(slow),
        )
        self.stream_rules.add(pattern, rule)

    def call(self, method: str) -> Callable[[_Method], _Method]:
        """Let clients call the function below by the name ``method``.

        Its argument is the data of the call, checked against its annotation (a ``msgspec.Struct``,
        a dataclass, ``dict[str, int]`` …); before it, it may take a ``longwire.Call`` that says who
        calls. What it returns is the result. It refuses by raising ``longwire.CallRefused``. Raises
        :exc:`~longwire.base.errors.ConfigError` for a name that is taken.
        """

        def register(handler: _Method) -> _Method:
            self.calls.add(method, handler)
            return handler

        return register

    def on_start(self, hook: _Lifespan) -> _Lifespan:
        """Run the function below before the first request."""
        self.start_hooks.append(hook)
        return hook

    def on_stop(self, hook: _Lifespan) -> _Lifespan:
        """Run the function below after the last request. In the reverse order of registering."""
        self.stop_hooks.append(hook)
        return hook

    # -- what a user calls ----------------------------------------------------------------------

    async def publish(self, stream: str, data: Any, *, content_type: str | None = None) -> Appended:
        """Publish one entry from the application itself, past permissions and hooks.

        ``bytes`` are stored as they are, as ``content_type`` (``application/octet-stream`` if it
        is not given); everything else is stored as JSON. Returns where it was stored.
        Raises the errors of ``longwire.streams``, and :exc:`~longwire.base.errors.LongwireError`
        when the application is not being served. Cancelled, it may or may not have been stored.
        """
        return await self.service.publish(stream, data, content_type)

    async def send_to_user(
        self, user: str, data: Any, *, content_type: str | None = None
    ) -> Appended:
        """Send to one user, on all devices, now or when he comes back: publish to his inbox, which
        every connection of his is subscribed to by itself. As ``publish`` otherwise."""
        return await self.service.publish(inbox_of(user), data, content_type)

    async def revoke(self, user: str) -> None:
        """Let a user in no longer with what he has until now: his connections are closed with 4504,
        on all servers, and tokens that were issued before, or do not say when, are refused.

        A token that is issued from the next second on is good. What ``authenticate`` of the
        application accepts is its own business. Raises ``StoreUnavailableError``. Cancelled, it
        may or may not have happened.
        """
        await self.service.revoke(user)

    async def open_session(
        self,
        request: Request,
        user: str,
        *,
        permissions: Mapping[str, Sequence[str]] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """Sign a user in: keep a session in the store; return the value of the ``Set-Cookie`` field
        that the response has to carry.

        ``permissions`` are patterns of stream names for ``read``, ``publish``, ``manage`` and
        ``presence``; ``data`` is what ``principal.claims`` will hold. From then on the browser's
        requests and WebSockets are the user's. Raises ``ConfigError`` without
        ``identity.session_secret``, ``LongwireError`` when the session holds too much.
        """
        return await self.service.open_session(request, user, permissions or {}, data or {})

    async def close_session(self, request: Request) -> str:
        """Sign out: remove the session of a request and end its connections to this server; return
        the value of the ``Set-Cookie`` field that takes the cookie away."""
        return await self.service.close_session(request)

    async def identify(self, request: Request) -> Principal:
        """Tell who sent a request that a route answers: by its token in the Authorization header,
        the query or the cookie (docs/identity.md); anonymous without one.

        Raises an error that answers 401 for a token that is not accepted, and closes a WebSocket of
        the application's own with 3000. Cancel-safe.
        """
        return await self.service.admission.identify(request)

    async def erase(self, stream: str, position: Position | str) -> bool:
        """Remove the payload of the entry at a position for good; its place in the stream stays, so
        that nobody who reads it sees a gap. ``False`` when it was gone before.

        For what the law, or a user, wants forgotten. ``position`` may be text, as clients and
        browsers have it. Raises ``longwire.streams.errors``: :exc:`PositionError` for text that is
        none.
        """
        if isinstance(position, str):
            position = parse_position(position)
        return await self.service.hub.erase(stream, position)

    def test_client(self, *, settings: Settings | None = None) -> TestClient:
        """Serve this application for the time of a block of a test::

            async with app.test_client() as test:
                ann = await test.client(token="ann")            # a longwire.Client, connected
                await ann.publish("chat/lobby", {"text": "hello"})
                response = await test.get("/hello/world")       # status, headers, body, json()
                async with test.connect("/socket") as ws: ...   # an @app.websocket route

        Real connections on a free port of this machine, streams in memory, start and stop hooks
        and permissions as in production. ``settings`` come before the application's own; neither
        files nor variables are read.
        """
        from longwire.server.testing import TestClient

        return TestClient(self, settings)

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """ASGI 3. Cancelled, the request is given up."""
        await self._asgi().handle(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self, outer: object = None) -> AsyncIterator[None]:
        """Serve for the time of the block; for an application that is mounted in another one::

            site = Starlette(routes=[Mount("/live", app=app)], lifespan=app.lifespan)

        FastAPI takes it in the same way. Start and stop hooks run at its ends.
        """
        runner = self._asgi()
        await runner.start()
        try:
            yield
        finally:
            await runner.stop()

    def beside(self, site: AsgiApplication, path: str = "/live") -> AsgiApplication:
        """An ASGI application that is this one below ``path``, and ``site`` everywhere else: for a
        site that mounts nothing, such as Django's, in its ``asgi.py``::

            application = live.beside(get_asgi_application(), path="/live")

        It starts and stops with the ASGI server; ``site`` gets HTTP requests only. Raises
        :exc:`~longwire.base.errors.ConfigError` for a path that is none.
        """
        from longwire.server.asgi_beside import Beside

        return Beside(self, site, path)

    def _asgi(self) -> AsgiRunner:
        if self._runner is None:
            # Later than this module, which it needs.
            from longwire.server.asgi import AsgiRunner

            self._runner = AsgiRunner(self)
        return self._runner

    # -- what serves it -------------------------------------------------------------------------

    @property
    def service(self) -> Service:
        """What serves the application now."""
        if self._service is None:
            raise LongwireError(
                "this application is not being served, so there are no streams: longwire serve "
                "does it, or App.lifespan where it is mounted"
            )
        return self._service

    def bind(self, service: Service | None) -> None:
        """Learn what serves the application from now on; ``None``: nothing any more."""
        if service is not None and self._service not in (None, service):
            raise LongwireError("an application cannot be served twice at a time")
        self._service = service


def _refuse_reserved(path: str) -> None:
    if path in RESERVED_PATHS or path.startswith(RESERVED_PREFIXES):
        raise ConfigError(path, "longwire itself answers there", hint="choose another path")
