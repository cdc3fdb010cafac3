"""Every engine offers what drivers use."""

from __future__ import annotations

from longwire.http.engine import HttpEngine
from longwire.http.h1 import Http1Engine


def test_http_1_engine_offers_all_of_the_protocol() -> None:
    engine: HttpEngine = Http1Engine(now=0.0)
    offered = [name for name in vars(HttpEngine) if not name.startswith("_")]
    assert len(offered) >= 10
    assert [name for name in offered if not hasattr(engine, name)] == []
