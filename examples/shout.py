"""A raw WebSocket endpoint: what is said comes back louder.

Run it:  longwire serve shout:app
Then:    python -m websockets ws://127.0.0.1:8080/shout
"""

from __future__ import annotations

from longwire import App, Connection, Request

app = App()


@app.websocket("/shout")
async def shout(connection: Connection, request: Request) -> None:
    """Answer each text in capitals until the client leaves."""
    mark = request.query.get("mark", "!")
    async for message in connection:
        if isinstance(message, str):
            await connection.send(message.upper() + str(mark))
        else:
            await connection.close(1003, "texts only, please")
