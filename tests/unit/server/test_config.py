"""Settings from file, variables and flags; every error says where, what and what would be right."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from longwire.base import limits
from longwire.server.config import Configuration, Flag, SettingsError, load_settings
from longwire.server.setting_fields import sections, setting_fields
from longwire.server.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, environment: dict[str, str] | None = None, *flags: Flag) -> Configuration:
    file = Path("longwire.toml")
    file.write_text(text)
    return load_settings(file, environment or {}, flags)


def problems(text: str, environment: dict[str, str] | None = None, *flags: Flag) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(text, environment, *flags)
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_defaults_need_no_file(folder: Path) -> None:
    found = load_settings(None, {})
    assert found == Configuration(Settings(), {}, None)


def test_file_sets_values_of_every_kind(folder: Path) -> None:
    found = load(
        """
        [server]
        host = "::"
        port = 0
        reuse_port = true
        drain_timeout_s = 3
        [origins]
        allowed = ["same", "https://*.example.com"]
        [websocket]
        message_bytes_max = "none"
        fragments_max = 7
        [log]
        level = "debug"
        """
    ).settings
    assert found.server.host == "::"
    assert found.server.port == 0
    assert found.server.reuse_port is True
    assert found.server.drain_timeout_s == 3.0
    assert found.origins.allowed == ("same", "https://*.example.com")
    assert found.websocket.message_bytes_max is None
    assert found.websocket.fragments_max == 7
    assert found.log.level == "debug"


def test_variables_beat_file_and_flags_beat_variables(folder: Path) -> None:
    file = "[server]\nport = 1\nhost = 'a'\nunix = 'c'\n"
    environment = {"LONGWIRE_PORT": "2", "LONGWIRE_HOST": "b"}
    found = load(file, environment, Flag("--port", "server", "port", "3"))
    assert (found.settings.server.port, found.settings.server.host) == (3, "b")
    assert found.sources == {
        ("server", "port"): "--port",
        ("server", "host"): "LONGWIRE_HOST",
        ("server", "unix"): "longwire.toml:4",
    }


def test_variables_hold_values_of_every_kind(folder: Path) -> None:
    environment = {
        "LONGWIRE_REUSE_PORT": "Yes",
        "LONGWIRE_ORIGINS_ALLOWED": "same, https://example.com,",
        "LONGWIRE_WEBSOCKET_FRAGMENTS_MAX": "NONE",
        "LONGWIRE_KEEPALIVE_PING_INTERVAL_S": " 2.5 ",
        "LONGWIRE_ANONYMOUS_READ": "",
    }
    found = load("", environment).settings
    assert found.server.reuse_port is True
    assert found.origins.allowed == ("same", "https://example.com")
    assert found.websocket.fragments_max is None
    assert found.keepalive.ping_interval_s == 2.5
    assert found.anonymous.read == ()


def test_file_in_working_directory_is_read_unless_another_is_named(folder: Path) -> None:
    (folder / "longwire.toml").write_text("[server]\nport = 1\n")
    (folder / "other.toml").write_text("[server]\nport = 2\n")
    assert load_settings(None, {}).settings.server.port == 1
    named = load_settings(None, {"LONGWIRE_CONFIG": "other.toml"})
    assert named.settings.server.port == 2
    assert load_settings(Path("longwire.toml"), {"LONGWIRE_CONFIG": "other.toml"}).file == Path(
        "longwire.toml"
    )


WRONG_FILES = [
    (
        "[server]\n\nprot = 1\n",
        "longwire.toml:3: server.prot is no setting (did you mean port?)",
    ),
    (
        "[server]\nfragments_max = 1\n",
        "longwire.toml:2: server.fragments_max is no setting (it belongs under [websocket])",
    ),
    (
        "[log]\nxyzzy = 1\n",
        "longwire.toml:2: log.xyzzy is no setting (there are level, access)",
    ),
    (
        "[sever]\nport = 1\n",
        "longwire.toml:1: [sever] is no section (did you mean [server]?)",
    ),
    (
        "\nport = 1\n",
        "longwire.toml:2: port stands outside of any section (it belongs under [server])",
    ),
    (
        "server = 1\n",
        "longwire.toml:1: server is 1 (write a table: [server])",
    ),
    (
        "[[server]]\nport = 1\n",
        "longwire.toml:1: server is a list of other things than texts (write a table: [server])",
    ),
    (
        "server = { port = 'x' }\n",
        'longwire.toml:1: server.port is "x" (write a whole number from 0 to 65535)',
    ),
    (
        "server.port = 65536\n",
        "longwire.toml:1: server.port is 65536 (write a whole number from 0 to 65535)",
    ),
    (
        "[server]\nport = -1\n",
        "longwire.toml:2: server.port is -1 (write a whole number from 0 to 65535)",
    ),
    (
        "[server]\nport = true\n",
        "longwire.toml:2: server.port is true (write a whole number from 0 to 65535)",
    ),
    (
        "[server]\nport = 80.0\n",
        "longwire.toml:2: server.port is 80.0 (write a whole number from 0 to 65535)",
    ),
    (
        "[server]\nhost = ''\n",
        'longwire.toml:2: server.host is "" (write a text)',
    ),
    (
        "[server]\nworkers = 4\n",
        "longwire.toml:2: server.workers is 4 (write 1, all that is built yet)",
    ),
    (
        "[server]\nreuse_port = 1\n",
        "longwire.toml:2: server.reuse_port is 1 (write true or false)",
    ),
    (
        "[server]\ndrain_timeout_s = nan\n",
        "longwire.toml:2: server.drain_timeout_s is nan (write a number of seconds, 0 or more)",
    ),
    (
        "[http]\nidle_timeout_s = inf\n",
        (
            "longwire.toml:2: http.idle_timeout_s is inf "
            '(write a number of seconds above 0, or "none")'
        ),
    ),
    (
        "[websocket]\n\n\nmessage_bytes_max = 0\n",
        (
            "longwire.toml:4: websocket.message_bytes_max is 0 "
            '(write a whole number of bytes, 1 or more, or "none")'
        ),
    ),
    (
        "[websocket]\nhandshake_headers_max = 'none'\n",
        (
            'longwire.toml:2: websocket.handshake_headers_max is "none" '
            "(write a whole number, 1 or more)"
        ),
    ),
    (
        "[log]\nlevel = 'loud'\n",
        (
            'longwire.toml:2: log.level is "loud" '
            '(write "debug", "info", "warning", "error" or "critical")'
        ),
    ),
    (
        "[origins]\nallowed = 'same'\n",
        (
            'longwire.toml:2: origins.allowed is "same" '
            '(write a list of texts such as ["one", "two"])'
        ),
    ),
    (
        "[origins]\nallowed = [\n'same',\n1]\n",
        (
            'longwire.toml:2: origins.allowed is ["same", 1] '
            '(write a list of texts such as ["one", "two"])'
        ),
    ),
    (
        "[origins]\nallowed = ['https://example.com/']\n",
        (
            'longwire.toml:2: origins.allowed does not fit: "https://example.com/" is no origin '
            "(an origin ends after the host or port: leave the slash out)"
        ),
    ),
    (
        "[server]\ntls_key = 'k.pem'\n",
        "longwire.toml:2: server.tls_key is given without tls_cert (name the certificate too)",
    ),
    (
        "[anonymous]\nread = ['chat//x']\n",
        (
            'longwire.toml:2: anonymous.read does not fit: the pattern "chat//x" has an empty part '
            '(a pattern is a stream name in which "*" stands for (a piece of) one part between '
            'slashes and a part of "**" for one or more parts)'
        ),
    ),
    (
        "[server]\ntls_cert = 'missing.pem'\n",
        (
            'longwire.toml:2: server.tls_cert is "missing.pem", where no file is '
            "(name a file in PEM format)"
        ),
    ),
    (
        "[store]\nurl = 'nats://host'\n",
        (
            'longwire.toml:2: store.url is "nats://host", but the nats store is not built yet '
            '(available are "memory", "sqlite:PATH" and "redis://HOST:PORT")'
        ),
    ),
    (
        "[store]\nurl = 'redis://host:many'\n",
        (
            'longwire.toml:2: store.url is "redis://host:many", whose address cannot be read: '
            "Port could not be cast to integer value as 'many' (redis://HOST:PORT/DATABASE)"
        ),
    ),
    (
        "[store]\nurl = 'sqlite:'\n",
        (
            'longwire.toml:2: store.url is "sqlite:", which names no file '
            "(sqlite:PATH, such as sqlite:/var/lib/longwire/streams.db)"
        ),
    ),
    (
        "[store]\nurl = 'sqlite:///streams.db'\n",
        (
            'longwire.toml:2: store.url is "sqlite:///streams.db", which names no file '
            "(sqlite:PATH, such as sqlite:/var/lib/longwire/streams.db)"
        ),
    ),
    (
        "[store]\nurl = 'sqlite:/tmp'\n",
        ('longwire.toml:2: store.url is "sqlite:/tmp", which is a folder (sqlite:/tmp/streams.db)'),
    ),
    (
        "[store]\nurl = 'sqlite::memory:'\n",
        (
            'longwire.toml:2: store.url is "sqlite::memory:", which is no file '
            "(memory keeps streams in memory)"
        ),
    ),
    (
        "[store]\nurl = 'memroy'\n",
        (
            'longwire.toml:2: store.url is "memroy", which names no store '
            '(available are "memory", "sqlite:PATH" and "redis://HOST:PORT")'
        ),
    ),
    (
        "[content_coding]\nnames = ['gzip', 'zip']\n",
        (
            'longwire.toml:2: content_coding.names has "zip", which is no content coding '
            "(of zstd, br, gzip)"
        ),
    ),
    (
        "[backend]\nauthorize_url = 'ftp://a/b'\n",
        (
            'longwire.toml:2: backend.authorize_url is "ftp://a/b", which is no URL '
            "(https://HOST/PATH)"
        ),
    ),
    (
        "[backend]\ntoken = 'secret'\n",
        "longwire.toml:2: backend.token is given without authorize_url (name the URL too)",
    ),
    (
        "[server\nport = 1\n",
        "longwire.toml:1: is not TOML: ",
    ),
    (
        "[server]\nport = \n",
        "longwire.toml:2: is not TOML: Invalid value",
    ),
    (
        "[server]\nport = 1\nport = 2\n",
        "longwire.toml:3: is not TOML: ",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG_FILES)
def test_wrong_file_is_explained(folder: Path, text: str, expected: str) -> None:
    (found,) = problems(text)
    assert found.startswith(expected)
    assert found == expected or "is not TOML" in expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("LONGWIRE_PORT", "http", 'server.port is "http" (write a whole number from 0 to 65535)'),
        ("LONGWIRE_PORT", "", 'server.port is "" (write a whole number from 0 to 65535)'),
        ("LONGWIRE_REUSE_PORT", "maybe", 'server.reuse_port is "maybe" (write true or false)'),
        ("LONGWIRE_PROT", "1", "is no setting (did you mean LONGWIRE_PORT?)"),
        ("LONGWIRE_SERVER_PORT", "1", "is no setting (did you mean LONGWIRE_REUSE_PORT?)"),
        ("LONGWIRE_STORE_URL", "x", 'store.url is "x", which names no store'),
    ],
)
def test_wrong_variable_is_explained(folder: Path, name: str, text: str, expected: str) -> None:
    (found,) = problems("", {name: text})
    assert found.startswith(f"{name}: {expected}")


def test_wrong_flag_is_explained(folder: Path) -> None:
    assert problems("", {}, Flag("--port", "server", "port", "70000")) == [
        "--port: server.port is 70000 (write a whole number from 0 to 65535)"
    ]


def test_every_problem_is_reported_at_once(folder: Path) -> None:
    found = problems(
        "[server]\nprot = 1\nport = 'x'\n[origins]\nallowed = ['x y']\n",
        {"LONGWIRE_LOG_LEVEL": "loud"},
        Flag("--set a.b", "a", "b", "1"),
    )
    assert [text.partition(": ")[0] for text in found] == [
        "longwire.toml:2",
        "longwire.toml:3",
        "LONGWIRE_LOG_LEVEL",
        "--set a.b",
        "longwire.toml:5",
    ]


def test_later_source_mends_an_earlier_one_only_if_both_are_right(folder: Path) -> None:
    assert len(problems("[server]\nport = 'x'\n", {"LONGWIRE_PORT": "1"})) == 1


def test_file_that_cannot_be_read_is_explained(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"^none\.toml: cannot be read: No such file"):
        load_settings(Path("none.toml"), {})
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory"):
        load_settings(folder, {})
    (folder / "latin.toml").write_bytes(b"[server]\n# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"^latin\.toml:2: is not UTF-8"):
        load_settings(Path("latin.toml"), {})


def test_kubernetes_variables_of_a_service_called_longwire_are_no_settings(folder: Path) -> None:
    environment = {
        "LONGWIRE_SERVICE_HOST": "10.0.0.1",
        "LONGWIRE_SERVICE_PORT": "80",
        "LONGWIRE_SERVICE_PORT_HTTP": "80",
        "LONGWIRE_PORT": "tcp://10.0.0.1:80",
        "LONGWIRE_PORT_80_TCP": "tcp://10.0.0.1:80",
        "LONGWIRE_PORT_80_TCP_PROTO": "tcp",
        "LONGWIRE_PORT_80_TCP_PORT": "80",
        "LONGWIRE_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load("", environment).settings == Settings()


def test_every_limit_is_a_setting() -> None:
    limit_classes = {
        value
        for value in vars(limits).values()
        if inspect.isclass(value) and dataclasses.is_dataclass(value)
    }
    assert limit_classes <= set(sections().values())


def test_every_setting_is_documented_and_has_its_own_variable() -> None:
    fields = setting_fields()
    assert all(field.documentation for field in fields.values())
    assert len({field.variable for field in fields.values()}) == len(fields)


def test_every_default_is_a_right_value() -> None:
    for field in setting_fields().values():
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        expected = None if default is None else field.default
        assert field.convert("none" if default is None else default) == expected
