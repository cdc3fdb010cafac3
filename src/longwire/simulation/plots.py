"""Plots of the traces of a world, drawn by matplotlib (the extra ``plots``).

matplotlib is loaded when something is drawn, and its figures are used without pyplot, which would
bring a window system and global state.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from longwire.simulation.errors import PlotsUnavailableError, SimulationError
from longwire.simulation.traces import Trace
from longwire.tcpip.durations import MICROSECOND, MILLISECOND, SECOND

if TYPE_CHECKING:
    from longwire.simulation.world import World

__all__ = ["FORMATS", "Panel", "check_plot", "thinned", "throughput", "write_plots"]

FORMATS = (".svg", ".png", ".pdf")

CURVES_MAX = 8
"""Connections in one plot: those that have sent the most."""
_BINS = 50
_SLICES = 500
_DOTS_MAX = 300
_KIB = 1024
_WIDTH_INCHES, _PANEL_INCHES = 8.0, 2.3
_STYLE = {
    "axes.grid": True,
    "axes.prop_cycle": "cycler('color', ['#1f6feb', '#d1622b', '#2c8a4b', '#8250df', '#b3235d', "
    "'#9a6700', '#0f7f8c', '#57606a'])",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.color": "#e4e7eb",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.2,
    "savefig.facecolor": "white",
    # The same world draws the same file.
    "svg.hashsalt": "longwire",
    "svg.fonttype": "none",
}
_AGAIN, _LOST, _QUIET = "#d1622b", "#c0112f", "#8c959f"


class Panel(Enum):
    """What can be drawn, from the top down; the value is the label of the axis."""

    WINDOW = "window, KiB"
    RTT = "round trip, ms"
    SEQUENCE = "octets, KiB"
    THROUGHPUT = "acknowledged, Mbit/s"
    MEASURES = "measured"


Row: TypeAlias = tuple[float, float]
_Draw: TypeAlias = "Callable[[Any, Sequence[tuple[str, Trace]]], None]"


def check_plot(path: Path) -> None:
    """See that a plot can be written there.

    Raises PlotsUnavailableError without matplotlib, and SimulationError when the end of ``path``
    is none of FORMATS.
    """
    if path.suffix.lower() not in FORMATS:
        raise SimulationError(f"{path}: a plot is one of {', '.join(FORMATS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotsUnavailableError


def write_plots(world: World, path: Path, panels: Iterable[Panel] = tuple(Panel)) -> None:
    """Draw ``panels``, one below the other, of the connections that have sent the most.

    Raises what :func:`check_plot` does, and SimulationError when there is nothing to draw.
    """
    check_plot(path)
    curves = _curves(world)
    wanted = [panel for panel in Panel if panel in set(panels)]
    if not curves:
        wanted = [panel for panel in wanted if panel is Panel.MEASURES]
    if not world.traces.measures:
        wanted = [panel for panel in wanted if panel is not Panel.MEASURES]
    if not wanted:
        raise SimulationError(f"{path}: nothing to draw, since no connection has sent anything")
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure((_WIDTH_INCHES, _PANEL_INCHES * len(wanted)), layout="constrained")
        rows = figure.subplots(len(wanted), sharex=True, squeeze=False)
        for panel, (axes,) in zip(wanted, rows, strict=True):
            axes.set_ylabel(panel.value)
            if panel is Panel.MEASURES:
                _draw_measures(axes, world)
            else:
                _DRAW[panel](axes, curves)
                axes.set_ylim(bottom=0)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="best")
        rows[-1][0].set_xlabel("seconds" if world.traces.is_whole else "seconds (the rest is cut)")
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, metadata=metadata, dpi=120)


def _curves(world: World) -> list[tuple[str, Trace]]:
    """Return the traces that have sent text, in the order of opening, with their labels."""
    senders = [trace for trace in world.traces if trace.sent_end]
    chosen = sorted(senders, key=lambda trace: -trace.sent_end)[:CURVES_MAX]
    return [(_label(world, trace), trace) for trace in senders if trace in chosen]


def _label(world: World, trace: Trace) -> str:
    _, local_port, remote, remote_port = trace.flow
    return f"{trace.host}:{local_port} → {world.host_of(remote)}:{remote_port}"


def throughput(trace: Trace) -> list[tuple[float, float]]:
    """Return (seconds, Mbit/s): what was acknowledged in each fiftieth of the trace's time."""
    times, acknowledged = trace.states["time_ns"], trace.states["acknowledged"]
    width_ns = max(1, -(-(times[-1] - times[0]) // _BINS))
    bins = [0] * (_BINS + 1)
    for (_, before), (time_ns, after) in itertools.pairwise(zip(times, acknowledged, strict=True)):
        bins[(time_ns - times[0]) // width_ns] += after - before
    return [
        ((times[0] + number * width_ns) / SECOND, octets * 8 * 1000 / width_ns)
        for number, octets in enumerate(bins)
    ]


def thinned(rows: Sequence[Row]) -> list[Row]:
    """Return the last row of each of 500 slices of the time; the others it covers on paper."""
    if len(rows) <= _SLICES:
        return list(rows)
    first_s, last_s = rows[0][0], rows[-1][0]
    slices: dict[int, Row] = {}
    for row in rows:
        slices[int((row[0] - first_s) / (last_s - first_s or 1) * _SLICES)] = row
    return list(slices.values())


def _points(times_ns: Iterable[int], values: Iterable[float], unit: float) -> list[Row]:
    """Return (seconds, value in ``unit``)."""
    return [(time / SECOND, value / unit) for time, value in zip(times_ns, values, strict=True)]


def _states(trace: Trace, name: str, unit: float) -> list[Row]:
    return _points(trace.states["time_ns"], trace.states[name], unit)


def _sent(trace: Trace, *, again: bool) -> list[Row]:
    table = trace.segments
    points = _points(table["time_ns"], table["end"], _KIB)
    return [
        point
        for point, is_again in zip(points, table["is_again"], strict=True)
        if is_again == again
    ]


def _step(axes: Any, rows: Sequence[Row], **style: Any) -> Any:
    (line,) = axes.step(*zip(*thinned(rows), strict=True), where="post", **style)
    return line


def _dots(axes: Any, rows: Sequence[Row], form: str, **style: Any) -> None:
    if rows:
        axes.plot(*zip(*thinned(rows), strict=True), form, **style)


def _draw_window(axes: Any, curves: Sequence[tuple[str, Trace]]) -> None:
    is_alone = len(curves) == 1
    for label, trace in curves:
        window = _states(trace, "window", _KIB)
        line = _step(axes, window, label="congestion window" if is_alone else label)
        threshold = _states(trace, "threshold", _KIB)
        known = [row for row in threshold if row[1] >= 0]
        if known:
            text = "slow start threshold" if is_alone else None
            _step(axes, known, color=line.get_color(), linestyle=":", linewidth=1, label=text)
        if is_alone:
            times, octets = zip(*thinned(_states(trace, "in_flight", _KIB)), strict=True)
            axes.fill_between(times, octets, step="post", alpha=0.15, label="in flight", lw=0)


def _draw_rtt(axes: Any, curves: Sequence[tuple[str, Trace]]) -> None:
    for label, trace in curves:
        known = [row for row in _states(trace, "rtt_us", MILLISECOND / MICROSECOND) if row[1]]
        if known:
            _step(axes, known, label=label if len(curves) > 1 else "smoothed")


def _draw_sequence(axes: Any, curves: Sequence[tuple[str, Trace]]) -> None:
    for label, trace in curves:
        first = _sent(trace, again=False)
        form = ".-" if len(first) <= _DOTS_MAX else "-"
        if len(curves) > 1:
            _dots(axes, first, form, ms=3, label=label)
            continue
        _dots(axes, first, form, ms=3, label="sent")
        acknowledged = _states(trace, "acknowledged", _KIB)
        _step(axes, acknowledged, color=_QUIET, lw=1, label="acknowledged")
        again = _sent(trace, again=True)
        _dots(axes, again, "s", ms=3.5, color=_AGAIN, label="sent again")
        lost = _points(trace.lost["time_ns"], trace.lost["end"], _KIB)
        _dots(axes, lost, "x", ms=5, color=_LOST, label="lost")


def _draw_throughput(axes: Any, curves: Sequence[tuple[str, Trace]]) -> None:
    for label, trace in curves:
        _step(axes, throughput(trace), label=label if len(curves) > 1 else None)


def _draw_measures(axes: Any, world: World) -> None:
    for name, series in world.traces.measures.items():
        _dots(axes, _points(series.times_ns, series.values, 1), ".", ms=4, label=name)


_DRAW: dict[Panel, _Draw] = {
    Panel.WINDOW: _draw_window,
    Panel.RTT: _draw_rtt,
    Panel.SEQUENCE: _draw_sequence,
    Panel.THROUGHPUT: _draw_throughput,
}
