"""Parts of named tuples."""

from typing import NamedTuple

from longwire.base.tuples import parts


class Pair(NamedTuple):
    first: int
    second: str


def test_parts_of_a_named_tuple_are_the_tuple_itself():
    pair = Pair(1, "one")
    assert parts(pair) is pair
    first, second = parts(pair)
    assert (first, second) == (1, "one")
