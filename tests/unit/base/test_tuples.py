"""Named tuples made and taken apart."""

import gc
from typing import NamedTuple

from longwire.base.tuples import make, parts


class Pair(NamedTuple):
    first: object
    second: str


def test_parts_of_a_named_tuple_are_the_tuple_itself():
    pair = Pair(1, "one")
    assert parts(pair) is pair
    first, second = parts(pair)
    assert (first, second) == (1, "one")


def test_what_is_made_is_what_the_constructor_makes():
    made = make(Pair, (1, "one"))
    assert type(made) is Pair
    assert made == Pair(1, "one")
    assert made.second == "one"
    assert hash(made) == hash(Pair(1, "one"))


def test_what_is_made_holds_its_members_and_lets_go_of_them():
    class Member:
        pass

    member = Member()
    made = make(Pair, (member, "one"))
    assert gc.is_tracked(made)
    assert gc.get_referrers(member).count(made) == 1
    del made
    assert all(type(each) is not Pair for each in gc.get_referrers(member))


def test_a_cycle_through_what_is_made_is_collected():
    members = []
    members.append(make(Pair, (members, "cycle")))
    count = sum(type(each) is Pair for each in gc.get_objects())
    del members
    gc.collect()
    assert sum(type(each) is Pair for each in gc.get_objects()) == count - 1
