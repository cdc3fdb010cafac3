"""One running application: its routes and longwire's own, its streams, its metrics, its life."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from longwire.base.errors import ConfigError
from longwire.hub.rates import Rates
from longwire.identity.origins import OriginPolicy
from longwire.identity.principal import Principal
from longwire.server.administration import REVOKE_PATH, Administration
from longwire.server.admission import Admission
from longwire.server.app import BROWSER_MODULES, App, LifespanHook, SocketRoute
from longwire.server.authentication import Authentication
from longwire.server.backend import AuthorizationCallback
from longwire.server.backend_events import EventCallback
from longwire.server.backend_identity import IdentityCallback
from longwire.server.content import ContentSelection, make_selector
from longwire.server.cross_origin import CrossOrigin
from longwire.server.dispatch import Dispatcher, HttpHandler, SocketHandler
from longwire.server.exchange import Exchange
from longwire.server.gateways import StreamGateways
from longwire.server.hosts import HostList
from longwire.server.metrics import ServerMetrics
from longwire.server.operations import Operations
from longwire.server.overload import Overload
from longwire.server.permissions import PermitRule
from longwire.server.policy import AppPolicy
from longwire.server.request import Request
from longwire.server.response import Response
from longwire.server.revoked_users import RevokedUsers
from longwire.server.router import Router
from longwire.server.routes import wrap_route
from longwire.server.sessions import Sessions
from longwire.server.settings import Settings
from longwire.server.sockets import SocketEndpoints
from longwire.server.static_files import STATIC_FOLDER, StaticFile
from longwire.server.stream_hub import hub_figures, make_hub, publish_from_application
from longwire.streams.store import Appended

__all__ = ["Service"]

logger = logging.getLogger("longwire.server")

# The demo page; its script and style stand in files of their own.
_DEMO_FILES = {"/": "index.html", "/chat.css": "chat.css", "/chat.js": "chat.js"}


class Service:
    """Serves one application with one set of settings, on one event loop.

    Life: ``start``, any number of exchanges through ``dispatcher.handle``, ``begin_drain``,
    ``stop``.
    """

    def __init__(self, app: App, settings: Settings, *, is_development: bool = False) -> None:
        self.app = app
        self.settings = settings
        self.metrics = ServerMetrics()
        self.origins = OriginPolicy(settings.origins.allowed)
        app.permissions.allow_anonymous(settings.anonymous)
        app.permissions.ask_last(self._make_callback(settings))
        self.authentication = Authentication(
            app, settings.identity, self._make_identity_callback(settings)
        )
        self.metrics.add_figures(self.authentication.figures)
        self.hub = make_hub(settings, AppPolicy(app, self.authentication), app.stream_rules)
        secret = settings.identity.session_secret
        self.sessions = None
        if secret is not None:
            self.sessions = Sessions(self.hub.store, secret, settings.identity)
        self.admission = Admission(
            self.hub.policy,
            settings.identity,
            self.sessions,
            self.authentication.revocations,
        )
        self.operations = Operations(self.metrics, self.hub.store.health)
        self.metrics.add_figures(lambda: hub_figures(self.hub))
        self.sockets = SocketEndpoints(settings, self.origins, self.metrics)
        self.cross_origin = CrossOrigin(self.origins)
        self._selector = make_selector(settings)
        self.gateways = StreamGateways(
            self.hub, settings, self.sockets, self.admission, self.cross_origin, self._selector
        )
        self.metrics.add_figures(self.gateways.figures)
        self._revoked_users = RevokedUsers(
            self.hub,
            self.authentication.revocations,
            settings.identity.revoked_users_max,
            self._end_revoked,
        )
        self._events = self._make_event_callback(settings)
        self._overload = Overload(settings.http.requests_max)
        self.metrics.add_figures(self._overload.figures)
        self._address_rates = Rates(settings.rates.requests_per_address_max, "from this address")
        self.metrics.add_figures(self._rate_figures)
        self.dispatcher = Dispatcher(
            self._build_router(is_development),
            self.metrics,
            self.cross_origin,
            self._address_rates,
            ContentSelection(self._selector, settings.caching.routes),
            settings.forms,
            HostList(settings.server.hosts) if settings.server.hosts else None,
        )
        self._loop_watch: asyncio.Task[None] | None = None
        self._is_bound = False

    def _make_callback(self, settings: Settings) -> PermitRule | None:
        url = settings.backend.authorize_url
        if url is None:
            return None
        callback = AuthorizationCallback(url, settings.backend)
        self.metrics.add_figures(callback.figures)
        return callback.may

    def _make_identity_callback(self, settings: Settings) -> IdentityCallback | None:
        url, cookie = settings.backend.authenticate_url, settings.identity.cookie
        if url is None or cookie is None:
            return None
        callback = IdentityCallback(url, cookie, settings.backend)
        self.metrics.add_figures(callback.figures)
        return callback

    def _make_event_callback(self, settings: Settings) -> EventCallback | None:
        url = settings.backend.events_url
        if url is None:
            return None
        callback = EventCallback(url, self.hub, settings.backend)
        self.metrics.add_figures(callback.figures)
        return callback

    async def start(self) -> None:
        """Get ready for the first request. An error in a start hook is raised as it is.

        Raises ``StoreError`` when the store cannot be used. Whatever is raised, nothing stays open
        that another service of the same application would need.
        """
        try:
            await self._start()
        except BaseException:
            try:
                await self._shut()
            except Exception:
                logger.exception("what had been started could not be stopped")
            raise

    async def _start(self) -> None:
        await self.hub.store.start()
        await self.authentication.start()
        await self._revoked_users.start()
        self.app.bind(self)
        self._is_bound = True
        self.hub.start()
        self._loop_watch = asyncio.create_task(self.metrics.watch_loop())
        for hook in self.app.start_hooks:
            await _run_hook(hook)
        if self._events is not None:
            await self._events.start()
        self.operations.set_ready(None)

    def begin_drain(self) -> None:
        """Take no new work; tell those who ask that this server goes away."""
        self.operations.set_ready("the server is shutting down")

    async def say_goodbye(self) -> None:
        """Tell clients whose protocol has a word for it that their connection is about to close.

        What they published before is stored and answered first. Cancelled, some are not told.
        """
        await self.gateways.drain()

    async def stop(self) -> None:
        """End everything; errors of stop hooks are logged."""
        self.begin_drain()
        for hook in reversed(self.app.stop_hooks):
            try:
                await _run_hook(hook)
            except Exception:
                logger.exception("a stop hook failed")
        await self._shut()

    async def _shut(self) -> None:
        if self._events is not None:
            await self._events.close()
        self._revoked_users.close()
        await self.hub.close()
        self.authentication.close()
        if self._loop_watch is not None:
            self._loop_watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_watch
        if self._is_bound:
            self.app.bind(None)

    async def publish(self, stream: str, data: Any, content_type: str | None) -> Appended:
        """Publish for the application itself, past permissions and hooks."""
        return await publish_from_application(self.hub, stream, data, content_type)

    def _rate_figures(self) -> dict[str, tuple[str, float, bool]]:
        refused = {
            "entries_per_user": self.hub.user_rates.refused,
            "entries_per_stream": self.hub.stream_rates.refused,
            "messages_per_address": self.gateways.native.address_rates.refused,
            "requests_per_address": self._address_rates.refused,
        }
        return {
            f"longwire_rates_{name}_refused": (f"Refused past rates.{name}_max.", value, True)
            for name, value in refused.items()
        }

    async def revoke(self, user: str) -> None:
        """Take the tokens that a user has until now for good no longer; end his connections."""
        await self._revoked_users.revoke(user, time.time())

    async def close_session(self, request: Request) -> str:
        """End the session of a request, and its connections to this server."""
        cookie, key = await self._demand_sessions().close(request)
        if key is not None:
            self.gateways.end_where(lambda principal: principal.session == key, "signed out")
        return cookie

    async def open_session(
        self,
        request: Request,
        user: str,
        permissions: Mapping[str, Sequence[str]],
        data: Mapping[str, Any],
    ) -> str:
        """Begin a session."""
        return await self._demand_sessions().open(request, user, permissions, data)

    def _demand_sessions(self) -> Sessions:
        if self.sessions is None:
            hint = "set identity.session_secret to 32 random bytes or more"
            raise ConfigError("identity.session_secret", "there are no sessions", hint=hint)
        return self.sessions

    def _end_revoked(self, user: str) -> None:
        def is_meant(principal: Principal) -> bool:
            return principal.name == user and self.authentication.revocations.is_revoked(principal)

        self.gateways.end_where(is_meant, "access was revoked")

    # -- routes -----------------------------------------------------------------------------------

    def _build_router(self, is_development: bool) -> Router[HttpHandler, SocketHandler]:
        router: Router[HttpHandler, SocketHandler] = Router()
        router.add("/healthz", ["GET"], self.operations.health)
        router.add("/readyz", ["GET"], self.operations.readiness)
        router.add("/metrics", ["GET"], self.operations.figures)
        administration = Administration(self.admission, self.revoke)
        router.add(REVOKE_PATH, ["POST"], administration.revoke)
        router.add_websocket("/ws", self.gateways.serve_native)
        router.add("/ws", ["POST"], self.gateways.serve_native_http)
        streams = "/streams/{name...}"
        router.add(streams, ["GET", "PUT", "POST", "DELETE"], self.gateways.serve_stream)
        for path in BROWSER_MODULES:
            self._add_file(router, path, path.removeprefix("/"))
        taken = set()
        for resource in self.app.routes.resources():
            taken.add(resource.pattern)
            for method, handler in resource.methods.items():
                router.add(resource.pattern, [method], self._overload.guard(wrap_route(handler)))
            if resource.websocket is not None:
                router.add_websocket(resource.pattern, self._wrap_socket(resource.websocket))
        echo = self.app.routes.find("/echo")
        if is_development and (echo is None or echo[0].websocket is None):
            router.add_websocket("/echo", self.sockets.echo)
        if is_development and taken.isdisjoint(_DEMO_FILES):
            for path, name in _DEMO_FILES.items():
                self._add_file(router, path, name)
        return router

    def _add_file(self, router: Router[HttpHandler, SocketHandler], path: str, name: str) -> None:
        file = StaticFile(STATIC_FOLDER / name, self.settings.caching.files)
        if not file.path.exists():
            return

        async def handle(request: Request, exchange: Exchange) -> Response:
            return file.respond()

        router.add(path, ["GET"], handle)

    def _wrap_socket(self, route: SocketRoute) -> SocketHandler:
        async def handle(request: Request, exchange: Any) -> None:
            await self.sockets.serve(request, exchange, route)

        return handle


async def _run_hook(hook: LifespanHook) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result
