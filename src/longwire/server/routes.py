# cython: annotation_typing=False, auto_pickle=False
"""The handlers of an application's routes, as the dispatcher calls handlers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from contextvars import copy_context

from longwire.server.app import RouteHandler
from longwire.server.dispatch import Answer, HttpHandler
from longwire.server.exchange import Exchange
from longwire.server.request import Request
from longwire.server.response import Response, make_response

__all__ = ["wrap_route"]


def wrap_route(handler: RouteHandler) -> HttpHandler:
    """Return what calls ``handler``, and makes a response of what that returns."""

    def handle(request: Request, exchange: Exchange) -> Answer:
        # What a plain function keeps in context variables is for its own request.
        value = copy_context().run(handler, request)
        if isinstance(value, (str, Response)) or not inspect.isawaitable(value):
            return make_response(value)
        return _make_later(value)

    return handle


async def _make_later(value: Awaitable[object]) -> Response:
    return make_response(await value)
