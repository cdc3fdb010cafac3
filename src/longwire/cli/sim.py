"""``longwire sim``: run a script in a simulated world, and show what happened."""

from __future__ import annotations

import inspect
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from longwire.cli.exit_codes import FAILED, UNAVAILABLE, USAGE, CommandError
from longwire.simulation import Panel, PlotsUnavailableError, SimulationError, World
from longwire.simulation.plots import check_plot

__all__ = ["sim_command"]


@click.command("sim")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="What all randomness comes from.")
@click.option(
    "--capture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all packets to this file (pcapng).",
)
@click.option(
    "--plot",
    "plots",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw windows, round-trip times, sequence numbers and throughput (.svg, .png, .pdf).",
)
@click.option("--packets", is_flag=True, help="Show each packet on the timeline.")
@click.option(
    "--every-hop",
    is_flag=True,
    help="Capture a packet that crosses routers on each link, not only where it was sent.",
)
def sim_command(
    script: Path,
    seed: int,
    capture: Path | None,
    plots: tuple[Path, ...],
    packets: bool,
    every_hop: bool,
) -> None:
    """Run the `async def main(world)` of SCRIPT in a world in virtual time; print the timeline.

    SCRIPT may name the panels of its plots: PANELS = (Panel.WINDOW, Panel.RTT).
    """
    for plot in plots:
        try:
            check_plot(plot)
        except PlotsUnavailableError as error:
            raise CommandError(UNAVAILABLE, f"--plot {plot}: {error}") from None
        except SimulationError as error:
            raise CommandError(USAGE, f"--plot {error}") from None
    sys.path.insert(0, str(script.resolve().parent))  # as `python SCRIPT` does
    script_globals = runpy.run_path(str(script))
    main = script_globals.get("main")
    if not inspect.iscoroutinefunction(main):
        raise CommandError(USAGE, f"{script}: it has no `async def main(world)`")
    world = World(seed, show_packets=packets, capture_every_hop=every_hop)
    try:
        world.run(main(world))
    except SimulationError as error:
        raise CommandError(FAILED, f"{script}: {error}") from None
    finally:
        print(world.timeline())
        if capture is not None:
            world.write_capture(capture)
        _draw(world, plots, script_globals.get("PANELS", tuple(Panel)))
        print(f"{world.now_s:.9f} s, seed {seed}, capture SHA-256 {world.capture_digest()}")


def _draw(world: World, plots: tuple[Path, ...], panels: Iterable[Panel]) -> None:
    for plot in plots:
        try:
            world.write_plots(plot, panels)
        except SimulationError as error:  # nothing was sent; what the script did is not wrong
            click.echo(f"longwire: --plot {error}", err=True)
