"""A ticker: a background task publishes prices, everybody may watch, nobody may publish.

Run it:  longwire serve ticker:app
Then:    curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8080/streams/prices/gold
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from longwire import Access, App

app = App()

PRICES = {"gold": 4_100.0, "silver": 52.0}
tasks: list[asyncio.Task[None]] = []


@app.permit("prices/*", actions=["read"])
def watch(access: Access) -> bool:
    """Anybody may read."""
    return True


async def tick() -> None:
    """Move each price a little, ten times a second."""
    while True:
        for name, price in PRICES.items():
            PRICES[name] = round(price * random.uniform(0.999, 1.001), 2)
            await app.publish(f"prices/{name}", {"price": PRICES[name]})
        await asyncio.sleep(0.1)


@app.on_start
def start() -> None:
    """Begin once the server is up."""
    tasks.append(asyncio.create_task(tick()))


@app.on_stop
async def stop() -> None:
    """End with the server."""
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
