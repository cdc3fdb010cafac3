"""``longwire sim``: run a script in a simulated world, and show what happened."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import click

from longwire.cli.exit_codes import USAGE, CommandError
from longwire.simulation import SimulationError, World

__all__ = ["sim_command"]


@click.command("sim")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="What all randomness comes from.")
@click.option(
    "--capture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all packets to this file (pcapng).",
)
def sim_command(script: Path, seed: int, capture: Path | None) -> None:
    """Run the `async def main(world)` of SCRIPT in a world in virtual time; print the timeline."""
    main = runpy.run_path(str(script)).get("main")
    if not inspect.iscoroutinefunction(main):
        raise CommandError(USAGE, f"{script}: it has no `async def main(world)`")
    world = World(seed)
    try:
        world.run(main(world))
    except SimulationError as error:
        raise CommandError(1, f"{script}: {error}") from None
    finally:
        print(world.timeline())
        if capture is not None:
            world.write_capture(capture)
        print(f"{world.now_s:.9f} s, seed {seed}, capture SHA-256 {world.capture_digest()}")
