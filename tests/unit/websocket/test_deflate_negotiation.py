"""Agreeing on permessage-deflate (RFC 7692 sections 5 and 7.1)."""

from __future__ import annotations

import itertools

import pytest

from longwire.websocket.deflate import DeflateOptions, DeflateParameters
from longwire.websocket.deflate_negotiation import accept_offer, check_accepted, make_offers
from longwire.websocket.extensions import (
    Extension,
    HeaderValueError,
    format_extensions,
    parse_extensions,
)

ANY = DeflateOptions(
    server_no_context_takeover=False,
    client_no_context_takeover=False,
    server_max_window_bits=None,
    client_max_window_bits=None,
)


def options(**changes: bool | int | None) -> DeflateOptions:
    """Return options that ask for nothing but ``changes``."""
    fields: dict[str, bool | int | None] = {
        "server_no_context_takeover": False,
        "client_no_context_takeover": False,
        "server_max_window_bits": None,
        "client_max_window_bits": None,
    }
    return DeflateOptions(**(fields | changes))  # type: ignore[arg-type]


def agreed(*what: object) -> DeflateParameters:
    names = (
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    )
    return DeflateParameters(**dict(zip(names, what, strict=True)))  # type: ignore[arg-type]


def answer(offers: str, ours: DeflateOptions = ANY) -> str | None:
    accepted = accept_offer(parse_extensions([offers]), ours)
    return None if accepted is None else format_extensions([accepted[0]])


class TestServer:
    @pytest.mark.parametrize(
        ("offer", "ours", "expected", "parameters"),
        [
            ("", {}, "", (False, False, 15, 15)),
            # RFC 7692 section 7.1.1: context takeover.
            ("server_no_context_takeover", {}, "server_no_context_takeover", (True, False, 15, 15)),
            ("client_no_context_takeover", {}, "client_no_context_takeover", (False, True, 15, 15)),
            (
                "",
                {"server_no_context_takeover": True, "client_no_context_takeover": True},
                "server_no_context_takeover; client_no_context_takeover",
                (True, True, 15, 15),
            ),
            # RFC 7692 section 7.1.2.1: the server's window.
            ("server_max_window_bits=10", {}, "server_max_window_bits=10", (False, False, 10, 15)),
            ("server_max_window_bits=8", {}, "server_max_window_bits=8", (False, False, 8, 15)),
            ("server_max_window_bits=15", {}, "server_max_window_bits=15", (False, False, 15, 15)),
            ('server_max_window_bits="9"', {}, "server_max_window_bits=9", (False, False, 9, 15)),
            (
                "server_max_window_bits=14",
                {"server_max_window_bits": 11},
                "server_max_window_bits=11",
                (False, False, 11, 15),
            ),
            (
                "server_max_window_bits=9",
                {"server_max_window_bits": 11},
                "server_max_window_bits=9",
                (False, False, 9, 15),
            ),
            (
                "",
                {"server_max_window_bits": 11},
                "server_max_window_bits=11",
                (False, False, 11, 15),
            ),
            # RFC 7692 section 7.1.2.2: the client's window.
            ("client_max_window_bits", {}, "", (False, False, 15, 15)),
            (
                "client_max_window_bits",
                {"client_max_window_bits": 10},
                "client_max_window_bits=10",
                (False, False, 15, 10),
            ),
            (
                "client_max_window_bits=12",
                {"client_max_window_bits": 10},
                "client_max_window_bits=10",
                (False, False, 15, 10),
            ),
            (
                "client_max_window_bits=9",
                {"client_max_window_bits": 10},
                "client_max_window_bits=9",
                (False, False, 15, 9),
            ),
            ("client_max_window_bits=9", {}, "client_max_window_bits=9", (False, False, 15, 9)),
            # A client that did not name it cannot be asked.
            ("", {"client_max_window_bits": 10}, "", (False, False, 15, 15)),
        ],
    )
    def test_7692_7_1_server_answers(
        self,
        offer: str,
        ours: dict[str, bool | int | None],
        expected: str,
        parameters: tuple[object, ...],
    ) -> None:
        name = "permessage-deflate"
        accepted = accept_offer(
            parse_extensions([f"{name}; {offer}" if offer else name]), options(**ours)
        )
        assert accepted is not None
        assert format_extensions([accepted[0]]) == (f"{name}; {expected}" if expected else name)
        assert accepted[1] == agreed(*parameters)

    @pytest.mark.parametrize(
        "offer",
        [
            "unknown_parameter",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "server_no_context_takeover; server_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=08",
            "server_max_window_bits=1e1",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=0",
            "client_max_window_bits=15x",
        ],
    )
    def test_7692_7_1_server_declines_invalid_offers(self, offer: str) -> None:
        assert answer(f"permessage-deflate; {offer}") is None
        # and takes the next one that it can.
        assert answer(f"permessage-deflate; {offer}, permessage-deflate") == "permessage-deflate"

    def test_7692_5_server_takes_the_first_offer_it_can(self) -> None:
        offers = (
            "permessage-bzip2, permessage-deflate; server_max_window_bits=10, permessage-deflate"
        )
        assert answer(offers) == "permessage-deflate; server_max_window_bits=10"
        assert answer("permessage-deflate, permessage-deflate; server_max_window_bits=10") == (
            "permessage-deflate"
        )

    def test_server_passes_over_other_extensions(self) -> None:
        assert answer("x-webkit-deflate-frame, permessage-snappy") is None
        assert accept_offer([], ANY) is None

    def test_settings_of_compression_are_our_own(self) -> None:
        ours = DeflateOptions(level=1, memory_level=3, threshold_bytes=77)
        accepted = accept_offer([Extension("permessage-deflate")], ours)
        assert accepted is not None
        made = accepted[1]
        assert (made.level, made.memory_level, made.threshold_bytes) == (1, 3, 77)


class TestClient:
    def test_7692_7_1_client_offers_what_it_is_ready_for(self) -> None:
        assert format_extensions(make_offers(ANY)) == "permessage-deflate; client_max_window_bits"
        assert format_extensions(
            make_offers(options(client_no_context_takeover=True, client_max_window_bits=10))
        ) == ("permessage-deflate; client_no_context_takeover; client_max_window_bits=10")

    def test_7692_5_wishes_come_with_an_offer_without_them(self) -> None:
        made = make_offers(options(server_no_context_takeover=True, server_max_window_bits=9))
        assert format_extensions(made) == (
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; "
            "client_max_window_bits, permessage-deflate; client_max_window_bits"
        )

    @pytest.mark.parametrize(
        ("ours", "response", "parameters"),
        [
            ({}, "", (False, False, 15, 15)),
            ({}, "server_no_context_takeover", (True, False, 15, 15)),
            ({}, "client_no_context_takeover", (False, True, 15, 15)),
            ({"client_no_context_takeover": True}, "", (False, True, 15, 15)),
            ({"server_no_context_takeover": True}, "", (False, False, 15, 15)),
            ({}, "server_max_window_bits=8", (False, False, 8, 15)),
            ({"server_max_window_bits": 10}, "server_max_window_bits=9", (False, False, 9, 15)),
            ({}, "client_max_window_bits=8", (False, False, 15, 8)),
            ({"client_max_window_bits": 10}, "client_max_window_bits=9", (False, False, 15, 9)),
            ({"client_max_window_bits": 10}, "client_max_window_bits=10", (False, False, 15, 10)),
            # The server ignored our value, as section 7.1.2.2 allows: we keep to it all the same.
            ({"client_max_window_bits": 10}, "client_max_window_bits=11", (False, False, 15, 10)),
            # Not asked for less than we offered to use.
            ({"client_max_window_bits": 10}, "", (False, False, 15, 10)),
        ],
    )
    def test_7692_7_1_client_takes_the_answer(
        self,
        ours: dict[str, bool | int | None],
        response: str,
        parameters: tuple[object, ...],
    ) -> None:
        value = f"permessage-deflate; {response}" if response else "permessage-deflate"
        (accepted,) = parse_extensions([value])
        assert check_accepted(accepted, options(**ours)) == agreed(*parameters)

    @pytest.mark.parametrize(
        ("ours", "response"),
        [
            ({}, "unknown"),
            ({}, "server_no_context_takeover=1"),
            ({}, "client_no_context_takeover; client_no_context_takeover"),
            ({}, "server_max_window_bits"),
            ({}, "client_max_window_bits"),
            ({}, "server_max_window_bits=7"),
            ({}, "client_max_window_bits=16"),
        ],
    )
    def test_7692_7_1_client_refuses_the_answer(
        self, ours: dict[str, bool | int | None], response: str
    ) -> None:
        (accepted,) = parse_extensions([f"permessage-deflate; {response}"])
        with pytest.raises(HeaderValueError, match="permessage-deflate"):
            check_accepted(accepted, options(**ours))


def test_client_and_server_of_ours_always_agree_on_the_same() -> None:
    flags, bits = (False, True), (None, 8, 9, 12, 15)
    for resets in itertools.product(flags, repeat=2):
        for windows in itertools.product(bits, repeat=4):
            theirs = options(
                server_no_context_takeover=resets[0],
                client_no_context_takeover=resets[1],
                server_max_window_bits=windows[0],
                client_max_window_bits=windows[1],
            )
            ours = options(server_max_window_bits=windows[2], client_max_window_bits=windows[3])
            accepted = accept_offer(make_offers(theirs), ours)
            assert accepted is not None
            assert check_accepted(accepted[0], theirs) == accepted[1]
