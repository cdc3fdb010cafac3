"""What clients of the native protocol run into shows in the metrics, by code."""

from __future__ import annotations

import httpx

from longwire import App
from longwire.base.limits import HubLimits, NativeLimits
from longwire.server.settings import AnonymousSettings, Settings
from tests.integration.server.app_servers import serve_app
from tests.integration.server.native_client import native_client


async def test_limits_and_closings_are_told_apart() -> None:
    settings = Settings(
        anonymous=AnonymousSettings(read=("**",), publish=("**",)),
        native=NativeLimits(bad_messages_max=2),
        hub=HubLimits(subscriptions_per_connection_max=1),
    )
    async with (
        serve_app(App(settings=settings), "longwire") as url,
        native_client(url) as client,
        httpx.AsyncClient(base_url=url) as http,
    ):
        assert (await client.ask("subscribe", stream="a"))["op"] == "subscribed"
        for stream in ("b", "c"):
            refused = await client.ask("subscribe", stream=stream)
            assert (refused["code"], refused["limit"]) == ("too_many_subscriptions", 1)
        refused = await client.ask("publish", stream="a", data=1, durability="replicated")
        assert refused["code"] == "durability_unavailable"
        for _ in range(2):
            await client.socket.send("{")
        assert (await client.receive_op("closing"))["code"] == 4500
        figures = (await http.get("/metrics")).text
    for line in (
        'longwire_native_errors_total{code="too_many_subscriptions"} 2.0',
        'longwire_native_errors_total{code="bad_json"} 2.0',
        'longwire_native_closed_total{code="4500"} 1.0',
        'longwire_publishes_refused_total{code="durability_unavailable"} 1.0',
    ):
        assert line in figures.splitlines()
    assert "# TYPE longwire_gaps_total counter" in figures
