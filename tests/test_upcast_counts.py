"""What is counted of fields, the quick way and the long one."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from workbench.upcasting.census import Counter
from workbench.upcasting.comparing import _differences
from workbench.upcasting.values import differences, read, written

VALUES = st.one_of(
    st.sampled_from([0, 1, 1.0, True, None, "a", "b", Decimal("1.0"), Decimal("1.00")]),
    st.sampled_from([[1], [1.0], {"x": 1}, {"x": None}, float("nan"), 2**70]),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)
STATES = st.dictionaries(st.sampled_from(["a", "b", "c", "a.b", "", '"a"']), VALUES, max_size=4)
PATH = ("type", 1, 2)


class Long(Counter):
    """A counter that looks for the differences of every event."""

    def steps(self, path, position, before, after):
        self._steps(path, position, before, after)


@given(st.lists(st.tuples(STATES, STATES), max_size=4), st.lists(st.integers(0, 3), max_size=12))
def test_what_steps_do_as_a_rule_is_counted_as_if_it_were_looked_for(pairs, order):
    quick, long = Counter(), Long()
    for position, which in enumerate(order):
        if which < len(pairs):
            for counter in (quick, long):
                counter.steps(PATH, position, *deepcopy(pairs[which]))
    found, expected = (
        {(one.path, one.what): msgspec.structs.asdict(one) for one in counter.fields}
        for counter in (quick, long)
    )
    assert found == expected


@given(STATES, STATES)
def test_forms_differ_as_their_values_do(one, other):
    """Where two written states differ is the same, whether they are read or not."""
    a, b = written(one), written(other)
    told = list(_differences(a, b))
    whole = list(differences(read(a), read(b)))
    places, expected = (sorted((d.path, d.what) for d in found) for found in (told, whole))
    assert places == expected
    assert (not told) == (a == b)


@given(STATES)
def test_written_states_are_read_again(state):
    """Whichever way they were written: what JSON has not is told by its class."""
    held = read(written(state))
    assert held.keys() == state.keys()
    assert written(held) == written(state)
