"""What is kept of connections over time, and how it is drawn and told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from longwire.simulation import Panel, PlotsUnavailableError, SimulationError, World, traces
from longwire.simulation.plots import thinned, throughput
from longwire.simulation.traces import Trace
from longwire.tcpip.devices.loss import ListedLoss
from tests.unit.simulation.worlds import echo, pair

OCTETS = 300_000
# Packets from the server: the handshake's, then text; the 40th and 41st get lost.
LOST = (40, 41)


def download(seed: int = 1, *, show_packets: bool = False, **settings: object) -> World:
    """Run a world in which a server sends so many octets to a client."""
    world = World(seed, show_packets=show_packets)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, **{"delay": 0.02, "rate": 10_000_000, **settings})

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(OCTETS))
        writer.close()

    async def fetch() -> None:
        reader, writer = await asyncio.open_connection("server", 80)
        assert len(await reader.read()) == OCTETS
        world.measure("octets read", OCTETS)
        writer.close()

    async def main() -> None:
        with server:
            await asyncio.start_server(send, "0.0.0.0", 80)
        await client.run(fetch())
        await asyncio.sleep(1)

    world.run(main())
    return world


def lose(*numbers: int) -> object:
    return lambda: ListedLoss(numbers)


def sender_of(world: World) -> Trace:
    (trace,) = [each for each in world.traces if each.host == "server"]
    return trace


def test_trace_of_a_clean_transfer_holds_each_octet_once() -> None:
    trace = sender_of(download())
    spans = list(zip(trace.segments["start"], trace.segments["end"], strict=True))
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == trace.sent_end == OCTETS
    assert not any(trace.segments["is_again"]) and not len(trace.lost)
    assert trace.states["acknowledged"][-1] == OCTETS
    assert set(trace.states["threshold"]) == {-1}
    # The first measurement is the handshake's: two packets of 60 octets, and the way.
    first = next(rtt for rtt in trace.states["rtt_us"] if rtt)
    assert 40_000 <= first < 41_000


def test_trace_shows_what_was_lost_and_sent_again() -> None:
    trace = sender_of(download(backward={}, loss=None))
    assert not len(trace.lost)
    world = download(loss=lose(*LOST), backward={"loss": None})
    trace = sender_of(world)
    lost = list(zip(trace.lost["start"], trace.lost["end"], strict=True))
    assert len(lost) == len(LOST)
    again = [
        (start, end)
        for start, end, is_again in zip(
            *(trace.segments[name] for name in ("start", "end", "is_again")), strict=True
        )
        if is_again
    ]
    assert again == lost
    window, threshold = trace.states["window"], trace.states["threshold"]
    assert max(threshold) > 0 and min(window[list(threshold).index(max(threshold)) :]) < max(window)


def test_times_of_a_trace_never_go_back() -> None:
    trace = sender_of(download(loss=0.02))
    for table in (trace.states, trace.segments, trace.lost):
        assert list(table["time_ns"]) == sorted(table["time_ns"])


def test_throughput_adds_up_to_what_was_sent() -> None:
    rows = throughput(sender_of(download()))
    width_s = rows[1][0] - rows[0][0]
    assert sum(rate for _, rate in rows) * 1e6 / 8 * width_s == pytest.approx(OCTETS, rel=0.001)
    # The link's rate, and what one acknowledgment of two segments may be early by.
    assert max(rate for _, rate in rows) < 10 + 2 * 1448 * 8 / width_s / 1e6


def test_column_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError, match="speed"):
        sender_of(download()).states["speed"]


@pytest.mark.parametrize(("limit", "is_whole"), [(10_000, True), (50, False)])
def test_rows_of_all_traces_are_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: int, is_whole: bool
) -> None:
    monkeypatch.setattr(traces, "ROWS_MAX", limit)
    world = download()
    rows = sum(len(each.states) + len(each.segments) + len(each.lost) for each in world.traces)
    rows += sum(len(each.values) for each in world.traces.measures.values())
    assert rows <= limit and world.traces.is_whole == is_whole
    assert (rows == limit) == (not is_whole)


@pytest.mark.parametrize(("limit", "is_whole"), [(4, True), (3, False)])
def test_number_of_traces_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: int, is_whole: bool
) -> None:
    monkeypatch.setattr(traces, "TRACES_MAX", limit)
    world, server, client = pair()

    async def main() -> None:
        with server:
            await asyncio.start_server(echo, "0.0.0.0", 7)
        for _ in range(2):
            with client:
                reader, writer = await asyncio.open_connection("server", 7)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            writer.close()

    world.run(main())
    assert len(world.traces) == limit and world.traces.is_whole == is_whole


def test_buffers_of_a_closed_connection_are_let_go() -> None:
    world = download()
    client = [each for each in world.traces if each.host == "client"]
    # The client, who closed last, is through; the server's end waits in TIME-WAIT.
    assert client and len(world.traces._by_connection) == 1


def test_thinning_keeps_the_end_and_what_can_be_seen() -> None:
    rows = [(number / 10_000, float(number)) for number in range(10_000)]
    kept = thinned(rows)
    assert 400 <= len(kept) <= 501 and kept[-1] == rows[-1]
    assert thinned(rows[:500]) == rows[:500]
    assert thinned([(1.0, float(number)) for number in range(1000)]) == [(1.0, 999.0)]


def texts(svg: Path) -> set[str]:
    return {(each.text or "").strip() for each in ElementTree.parse(svg).iter()}


def test_plot_has_a_panel_for_each_subject(tmp_path: Path) -> None:
    world = download(loss=lose(*LOST), backward={"loss": None})
    world.write_plots(tmp_path / "all.svg")
    shown = texts(tmp_path / "all.svg")
    assert shown >= {panel.value for panel in Panel}
    assert shown >= {"congestion window", "slow start threshold", "in flight", "sent again"}
    assert shown >= {"lost", "acknowledged", "octets read", "seconds"}
    world.write_plots(tmp_path / "one.svg", [Panel.RTT])
    assert texts(tmp_path / "one.svg") & {panel.value for panel in Panel} == {Panel.RTT.value}


def test_same_world_draws_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        download().write_plots(tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_plot_names_the_connections_where_there_are_several(tmp_path: Path) -> None:
    world, server, client = pair()

    async def main() -> None:
        with server:
            await asyncio.start_server(echo, "0.0.0.0", 7)
        with client:
            reader, writer = await asyncio.open_connection("server", 7)
        writer.write(bytes(50_000))
        await reader.readexactly(50_000)
        writer.close()

    world.run(main())
    world.write_plots(tmp_path / "echo.png")
    assert (tmp_path / "echo.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    world.write_plots(tmp_path / "echo.svg")
    labels = {text for text in texts(tmp_path / "echo.svg") if "→" in text}
    assert {text.partition(":")[0] for text in labels} == {"client", "server"}


def test_plot_of_nothing_or_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="no connection has sent anything"):
        World().write_plots(tmp_path / "none.svg")
    with pytest.raises(SimulationError, match=r"a plot is one of \.svg"):
        World().write_plots(tmp_path / "none.gif")


def test_plot_without_matplotlib_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PlotsUnavailableError, match=r"pip install 'longwire\[plots\]'"):
        World().write_plots(tmp_path / "none.svg")


def test_packets_are_lines_of_the_timeline() -> None:
    timeline = download(show_packets=True, loss=lose(*LOST), backward={"loss": None}).timeline()
    lines = timeline.splitlines()
    syn = next(line for line in lines if "> server:80  SYN, seq 0, win 65535, mss 1460" in line)
    assert syn.split()[0] == "0.000000000"
    assert any("server:80 > client:" in line and "SYN ACK, seq 0, ack 1" in line for line in lines)
    # The windows of segments after the handshake are scaled; numbers count from the SYN.
    assert any("ACK, 1:1449 (1448), ack 1, win 262144" in line for line in lines)
    assert any(" sack " in line for line in lines)
    lost = next(number for number, line in enumerate(lines) if "link-loss: packet 40" in line)
    assert "server:80 > client:" in lines[lost - 1]
    assert "SYN" not in download().timeline().replace("SYN_", "")


def test_packets_of_other_protocols_are_lines_too() -> None:
    world = World(show_packets=True)
    a, b = world.host("a"), world.host("b")
    world.link(a, b, delay=0.01, ipv6=True)

    async def main() -> None:
        with a:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=("b", 53)
            )
        transport.sendto(b"hello")
        await asyncio.sleep(1)
        transport.close()

    world.run(main())
    timeline = world.timeline()
    assert "> b:53  UDP, 5 octets" in timeline
    assert "b > a  ICMP port unreachable" in timeline
