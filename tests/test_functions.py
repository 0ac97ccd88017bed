"""A projection out of functions is the class that one would write."""

from __future__ import annotations

from functools import partial

import polars as pl
import pytest
from hypothesis import given
from stores import write_native
from test_going_on import same
from test_trial import ADD, DROP, SET, Baskets, handled, one, rows, run

from workbench import Projection, errors, handles, open_history, replay, table
from workbench.trials.recipe import source_hash

KEY, VALUES = {"basket": pl.String}, {"items": pl.Int64, "note": pl.String}


def was_set(tables, event):
    """Set the row anew."""
    tables.baskets.set(event.stream, items=event.data["items"])
    tables.log.set((event.stream, event.version), type=event.type)


def added(tables, event):
    """Change a row; fails if there is none."""
    tables.log.set((event.stream, event.version), type=event.type)
    row = tables.baskets.get(event.stream)
    items = row["items"] if row else 0
    tables.baskets.update(event.stream, items=items + event.data["items"], note="added")


def dropped(tables, event):
    """Remove the row, if there is one."""
    tables.baskets.delete(event.stream)


TABLES = {
    "baskets": table(key=KEY, values=VALUES),
    "log": table(key={"basket": pl.String, "version": pl.Int64}, values={"type": pl.String}),
}
HANDLERS = {"Basket.Set": was_set, "Basket.Added": added, "Basket.Dropped": dropped}


@given(made=rows().filter(handled))
def test_functions_are_what_the_class_is(new_path, made):
    """The same changes, failures and counts, by handlers of the same names."""
    history = open_history(write_native(new_path(), made))
    functions = Projection.of("Baskets", tables=TABLES, handlers=HANDLERS)
    same(*(replay(history, p, on_error="collect", progress=False) for p in (functions, Baskets)))


def test_several_types_for_one_function(tmp_path):
    """A function handles what it is given for, as a tuple or one by one."""
    seen = table(key={"position": pl.Int64}, values={"type": pl.String})

    def see(tables, event):
        tables.seen.set(event.position, type=event.type)

    trial = run(
        tmp_path / "a.db",
        [one(SET), one(ADD, position=2), one(DROP, position=3)],
        Projection.of("Seen", tables={"seen": seen}, handlers={(SET, ADD): see, DROP: see}),
    )
    assert trial.table()["type"].to_list() == [SET, ADD, DROP]
    assert set(trial.handlers.values()) == {"see"}


def test_lambdas_are_named_after_their_type(tmp_path):
    """What has no name of its own can be told in failures and in the profile."""
    made = Projection.of(
        "Lambdas",
        tables=TABLES,
        handlers={SET: lambda tables, event: 1 / 0, ADD: lambda tables, event: None},
    )
    trial = run(tmp_path / "a.db", [one(SET), one(ADD, position=2)], made)
    assert trial.failures["handler"].to_list() == [f"on {SET}"]
    assert set(trial.profile["handler"]) == {f"on {SET}", f"on {ADD}"}


def test_functions_stay_as_they_are():
    """One function and one table can be in several projections, under any name."""
    first = Projection.of("First", tables=TABLES, handlers={"A": was_set})
    second = Projection.of("Second", tables={"log": TABLES["baskets"]}, handlers={"B": was_set})
    assert (first.handlers(), second.handlers()) == ({"A": "was_set"}, {"B": "was_set"})
    assert [t.name for t in first.declared().values()] == ["baskets", "log"]
    assert [t.name for t in second.declared().values()] == ["log"]
    assert vars(was_set) == {}


def test_a_function_may_be_called_like_a_table():
    """The handler gives way."""
    made = Projection.of("P", tables={"was_set": TABLES["log"]}, handlers={"A": was_set})
    assert made.handlers() == {"A": "on A"}


def test_functions_go_on_from_a_class():
    """Functions may be added to a projection that is there."""
    made = Baskets.of("More", tables={}, handlers={"Basket.Seen": dropped})
    assert set(made.handlers()) == {*HANDLERS, "Basket.Seen"}


def test_source_hash_covers_functions_and_types():
    """Another function, or another type for it, is another projection."""

    def other(tables, event):
        tables.baskets.delete(event.stream)

    made = [
        Projection.of("P", tables=TABLES, handlers=handlers)
        for handlers in ({"A": was_set}, {"A": was_set}, {"B": was_set}, {"A": other})
    ]
    first, again, *rest = [source_hash(each) for each in made]
    assert first == again
    assert len({first, *rest}) == 3


def test_source_hash_covers_the_types_of_methods():
    """A method that handles another type is another projection."""

    def method(self, event):
        """Do nothing."""

    hashes = {
        source_hash(type("P", (Projection,), {"m": handles(type_)(partial(method).func)}))
        for type_ in ("A", "B")
    }
    assert len(hashes) == 2


async def later(tables, event):
    """Never run."""


def gives(tables, event):
    """Never run."""
    yield event


@pytest.mark.parametrize(
    ("name", "tables", "handlers", "message"),
    [
        ("", TABLES, HANDLERS, "Cannot name a projection ''"),
        ("P", {}, HANDLERS, "it declares no table"),
        ("P", TABLES, {}, "it has no handlers"),
        ("P", {"t": KEY}, HANDLERS, "as the table 't' of P. Declare it"),
        ("P", {"a b": TABLES["log"]}, HANDLERS, "Cannot name a table of P 'a b'"),
        ("P", {"rows": TABLES["log"]}, HANDLERS, "has something of that name|Cannot declare"),
        ("P", {"handlers": TABLES["log"]}, HANDLERS, "Cannot name a table of P 'handlers'"),
        ("P", {"__init__": TABLES["log"]}, HANDLERS, "Cannot name a table of P '__init__'"),
        ("P", TABLES, {1: was_set}, "Cannot handle 1 in P: that names no event types"),
        ("P", TABLES, {(): was_set}, "that names no event types"),
        ("P", TABLES, {("A", 1): was_set}, "that names no event types"),
        ("P", TABLES, {("A", "A"): was_set}, "'A' is handled twice"),
        ("P", TABLES, {("A", "B"): was_set, "B": added}, "'B' is handled twice"),
        ("P", TABLES, {"A": "was_set"}, "Cannot handle 'A' in P with 'was_set': it is no function"),
        ("P", TABLES, {"A": partial(was_set)}, "it is no function. Write one"),
        ("P", TABLES, {"A": lambda event: None}, "called with two arguments"),
        ("P", TABLES, {"A": later}, "without async and yield"),
        ("P", TABLES, {"A": gives}, "without async and yield"),
    ],
)
def test_bad_use(name, tables, handlers, message):
    """What is wrong is said when the projection is made."""
    with pytest.raises(errors.ProjectionError, match=message):
        Projection.of(name, tables=tables, handlers=handlers)
