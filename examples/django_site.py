"""longwire beside a Django site, whose session cookie tells it who somebody is.

Run it:  uvicorn django_site:application
Then:    sign in at http://127.0.0.1:8000/ under some name, and open the page again: what is
         published to the stream of that name appears there.
"""

from __future__ import annotations

import os
import secrets

from django.conf import settings
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html

from longwire import Access, App

PAGE = """<!doctype html><title>A Django site</title>
<p>You are {}.<form action="/login" method="post"><input name="name"><button>Sign in</button></form>
<ul id="list"></ul><script type="module">
import {{ connect }} from "/live/longwire.js";
const client = connect(`ws://${{location.host}}/live/ws`);
client.subscribe("of/{}", ({{ data }}) => list.append(Object.assign(document.createElement("li"), {{
  textContent: JSON.stringify(data),
}})));
</script>"""


def home(request: HttpRequest) -> HttpResponse:
    """Who is signed in, and what was published for him."""
    name = request.session.get("user", "nobody")
    return HttpResponse(format_html(PAGE, name, name))


def login(request: HttpRequest) -> HttpResponse:
    """Believe every name, for this is an example."""
    name = request.POST.get("name", "")
    if name.isalnum():
        request.session["user"] = name
    return HttpResponseRedirect("/")


urlpatterns = [path("", home), path("login", login)]
settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)

# In longwire.toml as well: cookie = "sessionid" under [identity].
os.environ.setdefault("LONGWIRE_IDENTITY_COOKIE", settings.SESSION_COOKIE_NAME)
live = App()


@live.authenticate
def who(session_key: str) -> str | None:
    """Whose the session of this cookie is, as Django knows it."""
    return SessionStore(session_key).get("user")


@live.permit("of/*")
def own(access: Access) -> bool:
    """Everybody reads and publishes what is for him."""
    return access.stream == f"of/{access.principal.name}"


application = live.beside(get_asgi_application(), path="/live")
