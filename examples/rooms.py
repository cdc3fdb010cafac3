"""Chat rooms: who may speak where, what may be said, and a page of one's own.

Run it:  longwire serve rooms:app
Then:    curl http://127.0.0.1:8080/rooms
         curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8080/streams/rooms/lobby
"""

from __future__ import annotations

import time

from longwire import Access, App, HttpError, Publication, PublishRefused, Request

app = App()

ROOMS = {"lobby": "Everybody", "garden": "Plants and their people"}


@app.permit("rooms/*")
def open_rooms(access: Access) -> bool:
    """Anybody may read and publish in the rooms that exist."""
    return access.stream.removeprefix("rooms/") in ROOMS


@app.on_publish("rooms/*")
async def keep_order(publication: Publication) -> None:
    """Every message is a short text; the server adds the time."""
    said = publication.data
    if not isinstance(said, dict) or not isinstance(said.get("text"), str):
        raise PublishRefused('A message is an object with a text: {"text": "hello"}.')
    if len(said["text"]) > 500:
        raise PublishRefused("A message has at most 500 characters.")
    publication.data = {"text": said["text"], "at": round(time.time())}


@app.route("/rooms")
def list_rooms(request: Request) -> dict[str, str]:
    """All rooms, as JSON."""
    return ROOMS


@app.route("/rooms/{room}/notices", methods=["POST"])
async def post_notice(request: Request) -> dict[str, str]:
    """Publish a notice from plain HTTP."""
    room = request.path_parameters["room"]
    if room not in ROOMS:
        raise HttpError(404, f"There is no room {room}.")
    text = (await request.text()).strip()
    if not text:
        raise HttpError(400, "The body is the text of the notice; it is empty.")
    appended = await app.publish(f"rooms/{room}", {"notice": text})
    return {"position": str(appended.last)}
