"""What a cell shows of a value: static HTML, escaped, and not longer than can be read."""

from __future__ import annotations

import dataclasses
import inspect
import re
from datetime import UTC, datetime

import polars as pl
import pytest

import workbench
from workbench import (
    Event,
    NewEvent,
    Projection,
    copy_history,
    handles,
    open_history,
    replay,
    table,
)
from workbench.samples import shop_path

HOSTILE = "<script>evil()</script>"
NOT_SHOWN = {"Progress"}  # told while something runs, and never the value of a cell


@pytest.fixture(scope="module")
def history():
    return open_history(shop_path())


class Names(Projection):
    """What each order's first event is called."""

    names = table(key={"stream": pl.String}, values={"name": pl.String})

    @handles("Order.Placed")
    def placed(self, event):
        self.names.set(event.stream, name=HOSTILE)


def values(history, folder):
    """Return one value of each kind that is shown in a cell, with hostile text in it."""
    trial = replay(history.between(upto=500), Names, progress=False)
    event = Event(
        position=1,
        partition=0,
        stream=HOSTILE,
        version=None,
        type=HOSTILE,
        schema_version=None,
        time=datetime(2025, 1, 1, tzinfo=UTC),
        data={HOSTILE: HOSTILE * 1_000},
        tags=(HOSTILE,),
    )
    new = NewEvent(type=HOSTILE, stream=HOSTILE, data={HOSTILE: HOSTILE * 1_000})
    copied = copy_history(
        history.between(upto=500), folder / HOSTILE.replace("/", ""), progress=False
    )
    return [event, new, copied, trial, trial.at(position=400)]


def test_shown_escaped_and_cut(history, tmp_path):
    """Whatever a value holds, its HTML is text without script, and short."""
    for value in values(history, tmp_path):
        shown = value._repr_html_()
        assert not re.search("<script", shown, re.IGNORECASE), value
        assert "&lt;script&gt;" in shown or "Trial" in repr(value)
        assert len(shown) < 20_000, value


def test_every_public_value_is_shown():
    """Each class of the package that holds values says how a cell shows it."""
    shown = {
        name
        for name in workbench.__all__
        if inspect.isclass(found := getattr(workbench, name))
        and (dataclasses.is_dataclass(found) or hasattr(found, "__struct_fields__"))
    }
    assert [n for n in shown - NOT_SHOWN if not hasattr(getattr(workbench, n), "_repr_html_")] == []
