"""Build steering for the optional compiled modules; everything else stands in pyproject.toml.

The modules named below are plain Python files that run as they are. Where Cython and a C compiler
work they are compiled, from the same file, into extensions of the same name. LONGWIRE_EXTENSIONS
says what to do:

    auto     (default) compile; what fails is warned about and stays plain Python
    require  compile; if anything fails, the build fails
    off      compile nothing
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

# Leaf modules on the hot path, as dotted names. A name without a file fails mode `require`.
COMPILED_MODULES: tuple[str, ...] = (
    "longwire.base.dates",
    "longwire.base.headers",
    "longwire.base.rate",
    "longwire.base.tuples",
    "longwire.gateways.durable.recent",
    "longwire.gateways.event_stream",
    "longwire.gateways.native.formats.json_text",
    "longwire.gateways.native.gateway",
    "longwire.gateways.native.operations",
    "longwire.gateways.native.publications",
    "longwire.gateways.native.publishing",
    "longwire.gateways.native.session",
    "longwire.gateways.native.wires",
    "longwire.http.h1",
    "longwire.http.h1_exchange",
    "longwire.http.h1_known_heads",
    "longwire.http.h1_reader",
    "longwire.http.h1_writer",
    "longwire.http.representation",
    "longwire.http.request_received",
    "longwire.http.response_fields",
    "longwire.hub.hub",
    "longwire.hub.payloads",
    "longwire.hub.policy",
    "longwire.hub.publishing",
    "longwire.identity.grants",
    "longwire.net.direct_link",
    "longwire.net.endpoint",
    "longwire.net.endpoint_facts",
    "longwire.net.event_delivery",
    "longwire.net.fan_out",
    "longwire.net.http_connection",
    "longwire.net.http_exchange",
    "longwire.net.http_output",
    "longwire.net.http_streams",
    "longwire.net.input_backlog",
    "longwire.net.message_iterator",
    "longwire.net.reactor",
    "longwire.net.reactor_link",
    "longwire.net.receive_queue",
    "longwire.net.receiver",
    "longwire.net.send_ring",
    "longwire.net.sender",
    "longwire.net.socket_calls",
    "longwire.net.stall_watch",
    "longwire.net.standing",
    "longwire.net.timers",
    "longwire.net.tls_link",
    "longwire.net.tls_session",
    "longwire.net.waiter",
    "longwire.server.content",
    "longwire.server.cross_origin",
    "longwire.server.dispatch",
    "longwire.server.permissions",
    "longwire.server.policy",
    "longwire.server.request",
    "longwire.server.request_counts",
    "longwire.server.response",
    "longwire.server.router",
    "longwire.server.routes",
    "longwire.stores.appending",
    "longwire.stores.memory",
    "longwire.stores.memory_log",
    "longwire.stores.memory_stream",
    "longwire.stores.sqlite.entries",
    "longwire.stores.sqlite.head",
    "longwire.stores.sqlite.packing",
    "longwire.stores.sqlite.producers",
    "longwire.stores.sqlite.writer",
    "longwire.streams.name",
    "longwire.streams.position",
    "longwire.streams.producer",
    "longwire.websocket._mask",
    "longwire.websocket._utf8",
    "longwire.websocket.connection",
    "longwire.websocket.frames",
    "longwire.websocket.keepalive",
    "longwire.websocket.messages",
    "longwire.websocket.payload",
)

MODES = ("auto", "require", "off")
DIRECTIVES = {"language_level": 3, "freethreading_compatible": True}


def mode_from_environment() -> str:
    mode = os.environ.get("LONGWIRE_EXTENSIONS", "").strip().lower() or "auto"
    if mode not in MODES:
        sys.exit(f"LONGWIRE_EXTENSIONS={mode!r} is unknown; it is one of {', '.join(MODES)}")
    return mode


def source_path(module: str) -> str:
    """The module's file, relative to this one as setuptools wants it."""
    base = Path("src", *module.split("."))
    for suffix in (".pyx", ".py"):
        if base.with_suffix(suffix).exists():
            return base.with_suffix(suffix).as_posix()
    raise FileNotFoundError(f"compiled module {module} has no source file")


def find_extensions(mode: str) -> list[Extension]:
    if mode == "off" or not COMPILED_MODULES:
        return []
    try:
        from Cython.Build import cythonize

        extensions = cythonize(
            [
                Extension(name, [source_path(name)], extra_compile_args=["-O3"])
                for name in COMPILED_MODULES
            ],
            build_dir="build/cython",
            compiler_directives=DIRECTIVES,
            quiet=True,
        )
    except Exception as problem:
        if mode == "require":
            raise
        print(
            f"longwire: extensions not compiled ({problem}); the plain Python modules are "
            "installed, slower. LONGWIRE_EXTENSIONS=require makes this an error.",
            file=sys.stderr,
        )
        return []
    for extension in extensions:
        # setuptools warns, and goes on, when an optional extension fails to compile.
        extension.optional = mode != "require"
    return extensions


setup(
    ext_modules=find_extensions(mode_from_environment()),
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
