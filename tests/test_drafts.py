"""Drafts of upcasters run as they are, mark what is lost, and come with a test of real events."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import BEGIN, Row, state_of, write_native

from workbench import draft_test, draft_upcaster, open_history
from workbench.errors import UnknownTypeError, UpcasterError
from workbench.projections.domain import decoded_lines
from workbench.samples import shop_path
from workbench.upcasting.drafts import drafts_of


def schema(required=None, /, **properties):
    """Return a JSON Schema of a payload, all fields of it required unless said."""
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names}


def of(*types):
    """Return the schema of a value of these types."""
    return {"type": types[0] if len(types) == 1 else list(types)}


def wrapper(name):
    """Return the schema of a wrapper of the library."""
    return {
        "type": "object",
        "properties": {"_type_": {"const": name}, "_data_": {"type": "string"}},
        "required": ["_type_", "_data_"],
    }


def function(text, name="upcast_v1_v2"):
    """Return the function of a draft."""
    found: dict[str, Any] = {
        "Any": Any,
        "Decimal": Decimal,
        "datetime": datetime,
        "UUID": UUID,
    }
    exec(text.replace("@staticmethod\n", ""), found)
    return found[name]


def upcast(old, new, state):
    """Return a state after the drafted upcaster."""
    function(draft_upcaster(old, new))(state)
    return state


OLD = schema(
    timestamp=wrapper("datetime_iso"),
    number=of("integer"),
    customer_name=of("string"),
    address={"type": "array", "items": of("string")},
)
NEW = schema(
    timestamp=wrapper("datetime_iso"),
    number=of("integer"),
    first_name=of("string"),
    last_name=of("string"),
    address={"type": "array", "items": of("string")},
)


class TestSample:
    """The split of a field in the sample history."""

    def test_draft_runs_on_every_stored_event(self):
        """The draft runs on every event of version 1, and makes the fields of version 2."""
        run = function(draft_upcaster(OLD, NEW))
        events = open_history(shop_path()).of_types("Order.Placed").scan()
        texts = events.filter(schema_version=1).collect()["data"].drop_nulls()
        states = decoded_lines(texts)
        for state in states:
            run(state)
        assert len(states) == 1217
        assert {frozenset(state) for state in states} == {
            frozenset(
                ("timestamp", "originator_topic", "number", "first_name", "last_name", "address")
            )
        }

    def test_draft_does_as_the_release_did(self):
        """What it guesses is what the second release's own upcaster does."""
        from workbench.samples.release_2 import Order

        state = {"customer_name": "Zoë van Lefèvre"}
        wanted = dict(state)
        Order.Placed.upcast_v1_v2(wanted)
        assert upcast(OLD, NEW, state) == wanted

    def test_lossy_steps_are_marked(self):
        """The guess and the loss stand in comments."""
        text = draft_upcaster(OLD, NEW)
        assert "# CHECK: 'customer_name' looks split at a space" in text
        assert "# LOSSY: where there is no space" in text


class TestRules:
    """One change at a time."""

    @pytest.mark.parametrize(
        ("before", "after", "value", "becomes"),
        [
            (of("number"), wrapper("decimal_str"), 1.1, Decimal("1.1")),
            (wrapper("decimal_str"), of("number"), Decimal("1.5"), 1.5),
            (of("integer"), of("string"), 5, "5"),
            (of("string"), of("integer"), "5", 5),
            (of("number"), of("integer"), 1.9, 1),
            (of("string"), wrapper("uuid_hex"), "0" * 32, UUID(int=0)),
            (of("string"), wrapper("datetime_iso"), "2025-01-01", datetime(2025, 1, 1)),
            (of("integer"), of("integer", "null"), 5, 5),
            (of("integer", "null"), of("integer"), None, 0),
            (of("object"), of("integer"), {}, {}),
            (of("integer", "string"), of("boolean"), 3, 3),
        ],
    )
    def test_another_type(self, before, after, value, becomes):
        """A value is converted where there is one way to do it, and left as it is elsewhere."""
        assert upcast(schema(x=before), schema(x=after), {"x": value}) == {"x": becomes}

    @pytest.mark.parametrize(
        ("before", "after", "mark"),
        [
            (of("number"), of("integer"), "LOSSY"),
            (wrapper("decimal_str"), of("number"), "LOSSY"),
            (of("string"), of("integer"), "CHECK"),
            (of("object"), of("integer"), "TODO"),
        ],
    )
    def test_marks_of_another_type(self, before, after, mark):
        """A conversion that may lose or fail, or that is not there, is marked."""
        assert f"# {mark}: " in draft_upcaster(schema(x=before), schema(x=after))

    def test_rename_is_offered(self):
        """Two fields of one type and alike names are taken for one, and marked."""
        old, new = schema(carrier=of("string")), schema(carrier_name=of("string"))
        assert "# CHECK: 'carrier' looks like 'carrier_name', renamed." in draft_upcaster(old, new)
        assert upcast(old, new, {"carrier": "x"}) == {"carrier_name": "x"}

    def test_no_rename_of_another_type(self):
        """A field of another type is lost, and the new one invented."""
        old, new = schema(carrier=of("string")), schema(carrier_name=of("integer"))
        assert upcast(old, new, {"carrier": "x"}) == {"carrier_name": 0}

    def test_removed(self):
        """A field that is gone is given up, and marked."""
        assert "# LOSSY" in draft_upcaster(schema(x=of("string")), schema())
        assert upcast(schema(x=of("string")), schema(), {"x": 1}) == {}

    def test_joined(self):
        """Two texts that are one now are joined."""
        old = schema(first_name=of("string"), last_name=of("string"))
        found = upcast(old, schema(full_name=of("string")), {"first_name": "A", "last_name": "B"})
        assert found == {"full_name": "A B"}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (of("string"), ""),
            (of("string", "null"), None),
            (of("array"), []),
            (wrapper("decimal_str"), Decimal(0)),
            ({"type": "string", "default": "EUR"}, "EUR"),
            ({"type": "string", "enum": ["EUR", "USD"]}, "EUR"),
            ({}, None),
        ],
    )
    def test_added(self, field, value):
        """A new field gets the schema's default, or a value that is marked as invented."""
        assert upcast(schema(), schema(x=field), {}) == {"x": value}

    def test_added_and_optional(self):
        """A new field that need not be there is left out."""
        assert upcast(schema(), schema([], x=of("string")), {}) == {}

    def test_became_required(self):
        """A field that was there sometimes gets a value where it is absent, and there only."""
        old, new = schema([], x=of("integer")), schema(x=of("integer"))
        assert upcast(old, new, {}) == {"x": 0}
        assert upcast(old, new, {"x": 5}) == {"x": 5}

    def test_inside_objects_and_lists(self):
        """Objects, and objects in lists, are gone into."""
        old = schema(
            who=schema(name=of("string")),
            lines={"type": "array", "items": schema(n=of("integer"))},
            tags={"type": "array", "items": of("integer")},
        )
        new = schema(
            who=schema(full_name=of("string")),
            lines={"type": "array", "items": schema(n=of("string"))},
            tags={"type": "array", "items": of("string")},
        )
        state = {"who": {"name": "A"}, "lines": [{"n": 1}, {"n": 2}, None], "tags": [1, 2]}
        assert upcast(old, new, state) == {
            "who": {"full_name": "A"},
            "lines": [{"n": "1"}, {"n": "2"}, None],
            "tags": ["1", "2"],
        }

    def test_enum_values_that_are_gone(self):
        """Values that are allowed no more are named."""
        old, new = (schema(x={"type": "string", "enum": v}) for v in (["a", "b"], ["b"]))
        assert "# CHECK: 'x' may no longer be 'a'." in draft_upcaster(old, new)

    def test_nothing_has_changed(self):
        """A draft of no change says so, and runs."""
        assert "same fields" in draft_upcaster(OLD, OLD)
        assert upcast(OLD, OLD, {"a": 1}) == {"a": 1}

    def test_version(self):
        """The function is named after the versions."""
        assert "def upcast_v4_v5(" in draft_upcaster(OLD, NEW, old_version=4)

    def test_needed_imports_are_named(self):
        """What the draft uses is named above it."""
        text = draft_upcaster(schema(x=of("number")), schema(x=wrapper("decimal_str")))
        assert text.startswith("# needs: from decimal import Decimal\n@staticmethod\n")

    def test_recursive_schema(self):
        """A schema that refers to itself comes to an end."""
        tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "x": of("integer")}}
        loop = {"properties": {"a": {"$ref": "#/properties/a"}}}
        old = tree | {"properties": tree["properties"] | {"x": of("string")}}
        assert function(draft_upcaster(old, tree)) is not None
        assert function(draft_upcaster(loop, tree)) is not None

    def test_object_with_a_schema(self):
        """An object that has its JSON Schema is as good as a dict."""

        class Inferred:
            def json_schema(self):
                return OLD

        assert draft_upcaster(Inferred(), NEW) == draft_upcaster(OLD, NEW)

    @pytest.mark.parametrize("wrong", [5, None, "x", [], {"properties": []}])
    def test_what_is_no_schema(self, wrong):
        """It is refused with what to give."""
        with pytest.raises(UpcasterError, match="no JSON Schema"):
            draft_upcaster(wrong, NEW)

    @pytest.mark.parametrize("version", [0, -1, True, "1"])
    def test_what_is_no_version(self, version):
        """Versions count from 1."""
        with pytest.raises(UpcasterError, match="count from 1"):
            draft_upcaster(OLD, NEW, old_version=version)


kinds = st.sampled_from(
    [of(t) for t in ("string", "integer", "number", "boolean", "object", "array", "null")]
    + [of("string", "null"), {}, wrapper("decimal_str"), wrapper("uuid_hex"), wrapper("leg")]
)
names = st.sampled_from(["", "a.b", 'q"', "\\", "x\ny", "é", "# no", "{x}", "name"]) | st.text(
    st.characters(codec="utf-8"), max_size=4
)
schemas = st.recursive(
    kinds,
    lambda inner: (
        st.builds(
            lambda properties, required: {
                "type": "object",
                "properties": properties,
                "required": [n for n in properties if required],
            },
            st.dictionaries(names, inner, max_size=4),
            st.booleans(),
        )
        | inner.map(lambda items: {"type": "array", "items": items})
    ),
    max_leaves=8,
)
payload_schemas = st.dictionaries(names, schemas, max_size=5).map(
    lambda properties: {"properties": properties, "required": sorted(properties)}
)


class TestLaws:
    """Drafts of any two schemas."""

    @given(payload_schemas, payload_schemas)
    def test_draft_runs_on_an_empty_state(self, old, new):
        """A draft is Python, runs, and makes no field that the new schema does not have."""
        state: dict[str, Any] = {}
        function(draft_upcaster(old, new))(state)
        assert set(state) <= set(new["properties"])

    @given(payload_schemas)
    def test_no_change_changes_nothing(self, one):
        """Between a schema and itself there is nothing to do."""
        state = dict.fromkeys(one["properties"])
        function(draft_upcaster(one, one))(state)
        assert state == dict.fromkeys(one["properties"])


@pytest.fixture(scope="module")
def history():
    """Return the events of the sample's first release."""
    return open_history(shop_path()).between(upto=3_000)


class TestTests:
    """The drafted test."""

    def run(self, folder, text, upcaster):
        """Run a drafted test beside a module with the upcaster; return how it ended."""
        body = "\n".join(f"        {line}" for line in upcaster.splitlines())
        (folder / "shop.py").write_text(
            "from typing import Any\n\n\nclass Order:\n    class Placed:\n" + body + "\n"
        )
        (folder / "test_draft.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_draft.py"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def test_it_passes_with_the_draft(self, history, tmp_path):
        """The drafted test passes with the drafted upcaster, on real events."""
        text = draft_test(history, "Order.Placed", OLD, NEW)
        code, said = self.run(tmp_path, text, draft_upcaster(OLD, NEW))
        assert (code, "3 passed" in said) == (0, True)

    def test_it_fails_without(self, history, tmp_path):
        """With an upcaster that does nothing it fails."""
        text = draft_test(history, "Order.Placed", OLD, NEW, mask=["*name"])
        nothing = "@staticmethod\ndef upcast_v1_v2(state):\n    pass"
        assert self.run(tmp_path, text, nothing)[0] == 1

    def stored(self, text):
        """Return the examples of a drafted test, as code."""
        (found,) = [n for n in ast.parse(text).body if isinstance(n, ast.Assign)]
        return ast.unparse(found.value)

    def test_values_are_masked(self, history):
        """What was asked to be hidden does not stand in the test, as in a masked history."""
        events = history.of_types("Order.Placed").scan().head(1).collect()
        (state,) = decoded_lines(events["data"])
        plain = draft_test(history, "Order.Placed", OLD, NEW, examples=1)
        masked = draft_test(
            history, "Order.Placed", OLD, NEW, examples=1, mask=["customer_name", "address*"]
        )
        assert state["customer_name"] in plain
        assert state["customer_name"] not in masked
        assert state["address"][0] not in masked
        assert "'customer_name': '***'" in self.stored(masked)

    def test_examples_differ_in_shape_first(self, tmp_path):
        """Events with other fields than the ones before are chosen first."""
        history = open_history(shop_path())
        text = draft_test(history, "Order.Confirmed", schema(), schema(), examples=2)
        assert ("coupon" in self.stored(text), self.stored(text).count("timestamp")) == (True, 2)

    def test_other_class(self, history):
        """The class may be another than the stored type says."""
        text = draft_test(history, "Order.Placed", OLD, NEW, upcaster="new.shop:Orders.Placed")
        assert "from new.shop import Orders\n" in text
        assert "Orders.Placed.upcast_v1_v2(state)" in text

    def test_unknown_type(self, history):
        """A type that is not there is refused."""
        with pytest.raises(UnknownTypeError):
            draft_test(history, "Order.Plced", OLD, NEW)

    def test_version_that_is_not_there(self, history):
        """A version without events is refused, with those that there are."""
        with pytest.raises(UpcasterError, match="There are: 1"):
            draft_test(history, "Order.Placed", OLD, NEW, old_version=7)

    def test_what_is_no_class(self, history):
        """A class is module:Class."""
        with pytest.raises(UpcasterError, match="names no class"):
            draft_test(history, "Order.Placed", OLD, NEW, upcaster="Placed")

    def test_every_kind_of_value_is_code(self, tmp_path):
        """Values of every kind come out as Python that means the same."""
        from stores import Row, state_of, write_native

        state = state_of(
            "2025-01-01T00:00:00+00:00",
            amount={"_type_": "decimal_str", "_data_": "1.50"},
            id={"_type_": "uuid_hex", "_data_": "0" * 32},
            leg={"_type_": "leg", "_data_": [1]},
            odd='"\\\n',
            many=[1.5, None, True],
        )
        path = write_native(tmp_path / "s.db", [Row(1, "s", 1, "m:A", state)])
        for mask in ([], ["*"]):
            text = draft_test(open_history(path), "A", schema(), schema(), mask=mask)
            found: dict[str, Any] = {}
            exec(text.replace("from m import A", "class A:\n    upcast_v1_v2 = dict"), found)
            assert list(found["STORED"][1]) == list(json.loads(state))


class TestOfSchemas:
    """What is drafted for two schemas of a history."""

    def test_of_following_versions(self, shop):
        """From a version to the next there is an upcaster and a test, and nothing to say."""
        schemas = shop.schemas()
        older, newer = schemas["Order.Placed", 1], schemas["Order.Placed", 2]
        drafts = drafts_of(shop, older, newer, ["customer_name"])
        assert drafts.upcaster == draft_upcaster(older, newer)
        assert "Order.Placed.upcast_v1_v2(state)" in drafts.test
        assert "Zoë" not in drafts.test
        assert drafts.notes == ()

    def test_examples_are_of_the_older_silent_version(self, shop):
        """Of silent versions, the examples are events of the older one."""
        schemas = shop.schemas()
        drafts = drafts_of(shop, schemas["Order.Confirmed", "1a"], schemas["Order.Confirmed", "1b"])
        assert "92: {" in drafts.test
        assert "13031: {" not in drafts.test
        assert drafts.notes[0].startswith("Both are of version 1. Give the class version 2")

    @pytest.mark.parametrize(("old", "new", "said"), [(1, 3, "at once"), (3, 1, "leads back")])
    def test_what_the_library_does_not_run_is_said(self, shop, old, new, said):
        """From a version to one that is not the next, the library runs no single upcaster."""
        schemas = shop.schemas().of("Order.Placed")
        drafts = drafts_of(shop, schemas["Order.Placed", old], schemas["Order.Placed", new])
        assert said in drafts.notes[0]

    def test_types_that_name_no_class(self, tmp_path):
        """Where a type names no class, there is an upcaster, and the reason for no test."""
        rows = [
            Row(i, "s", i, "Placed", state_of(BEGIN, version, a=1))
            for i, version in enumerate([None, 2], 1)
        ]
        other = open_history(write_native(tmp_path / "store.db", rows))
        schemas = other.schemas()
        drafts = drafts_of(other, schemas["Placed", 1], schemas["Placed", 2])
        assert drafts.test is None
        assert "it names no class" in drafts.notes[0]
