"""What is wrong with the shape of a message, in few words that say what would be right."""

from __future__ import annotations

import re

__all__ = ["explain_shape"]

_PROBLEM_CHARACTERS_MAX = 300
_PLACE_CHARACTERS = 80

_CHOICES = {
    "start": "tail, earliest or an object with last",
    "durability": "memory, disk or replicated",
}
_CHOICE = re.compile(r"^Invalid enum value .*\.(start|durability)`$", re.DOTALL)


def explain_shape(problem: str) -> str:
    """Return what msgspec says, with the choices where it does not name them, and cut.

    It repeats what came, however long that was; where it came stands at the end.
    """
    choice = _CHOICE.match(problem)
    if len(problem) > _PROBLEM_CHARACTERS_MAX:
        head = problem[: _PROBLEM_CHARACTERS_MAX - _PLACE_CHARACTERS]
        problem = f"{head}…{problem[-_PLACE_CHARACTERS:]}"
    return problem if choice is None else f"{problem}; right are {_CHOICES[choice[1]]}"
