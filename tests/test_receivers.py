"""Who follows a source, in its own database or in another, and how far each has come."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder
from servers.postgres import PASSWORD
from stores import simple_rows, write_native

from workbench import errors, open_history
from workbench.tables import RECEIVERS

if TYPE_CHECKING:
    from pathlib import Path

    from servers.postgres import PostgresServer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store of 30 events, which does not say of which application."""
    path = tmp_path / "shop.db"
    write_native(path, simple_rows(30))
    return path


@pytest.fixture
def view(tmp_path: Path) -> Path:
    """Return the database of a view, as the library writes it, that follows two applications."""
    path = tmp_path / "view.db"
    datastore = SQLiteDatastore(str(path))
    recorder = SQLiteTrackingRecorder(datastore)
    recorder.create_table()
    recorder.insert_tracking(Tracking("Shop", 12))
    recorder.insert_tracking(Tracking("Bank", 400))
    datastore.close()
    return path


def test_a_view_in_another_file(store: Path, view: Path) -> None:
    """The position of a view in another database is told, with its lag in events and seconds."""
    found = open_history(store, application="Shop").receivers(view)
    assert RECEIVERS.misfits(found) == []
    (row,) = found.to_dicts()
    assert (row["receiver"], row["follows"], row["position"]) == ("view.db", "Shop", 12)
    assert (row["lag_events"], row["moved_at"]) == (18, None)
    time = open_history(store).between(after=12).scan().select("time").head(1).collect().item()
    assert row["lag_s"] == pytest.approx((datetime.now(UTC) - time).total_seconds(), abs=600)


def test_the_lag_is_told_only_where_it_is_certain(store: Path, view: Path) -> None:
    """Where the application is not known, all receivers are told, and no lag."""
    found = open_history(store).receivers(view)
    assert found.select("follows", "position", "lag_events", "lag_s").rows() == [
        ("Bank", 400, None, None),
        ("Shop", 12, None, None),
    ]


def test_a_receiver_that_has_everything(store: Path, tmp_path: Path) -> None:
    """Who has processed the last event has no lag."""
    path = tmp_path / "up_to_date.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bills_tracking (application_name TEXT, notification_id INTEGER)")
        db.execute("INSERT INTO bills_tracking VALUES ('Shop', 30), ('__migration__', 1)")
        db.commit()
    found = open_history(store, application="shop").receivers(f"sqlite:///{path}")
    assert found.rows() == [("up_to_date.db/bills", "Shop", 30, 0, 0.0, None)]


def test_the_other_database_is_only_read(store: Path, view: Path) -> None:
    """Looking for receivers leaves a file as it is, and nothing beside it."""
    before = view.read_bytes(), sorted(p.name for p in view.parent.iterdir())
    open_history(store).receivers(view)
    assert (view.read_bytes(), sorted(p.name for p in view.parent.iterdir())) == before


def test_a_view_in_postgresql(postgres: PostgresServer, store: Path) -> None:
    """A view in a PostgreSQL database may follow events that lie elsewhere."""
    database = postgres.new_database()
    datastore = PostgresDatastore(database, "127.0.0.1", str(postgres.port), "postgres", PASSWORD)
    recorder = PostgresTrackingRecorder(datastore, tracking_table_name="counts_tracking")
    recorder.create_table()
    recorder.insert_tracking(Tracking("Shop", 25))
    datastore.close()
    found = open_history(store, application="Shop").receivers(postgres.url(database))
    (row,) = found.to_dicts()
    assert (row["receiver"], row["position"], row["lag_events"]) == (f"{database}/counts", 25, 5)


@pytest.mark.parametrize("name", ["it's", 'a"b', "a_b%"])
def test_odd_names_of_tables(store: Path, tmp_path: Path, name: str) -> None:
    """A table may be called anything."""
    path = tmp_path / "odd.db"
    table = f'"{name.replace(chr(34), chr(34) * 2)}_tracking"'
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"CREATE TABLE {table} (application_name TEXT, notification_id INTEGER)")
        db.execute(f"INSERT INTO {table} VALUES ('Shop', 3)")
        db.commit()
    assert open_history(store).receivers(path)["receiver"].to_list() == [f"odd.db/{name}"]


def test_a_database_without_a_tracking_table(store: Path, tmp_path: Path) -> None:
    """A database in which nobody tracks anything is an error that says what is looked for."""
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE counts (application_name TEXT, number INTEGER)")
    with pytest.raises(errors.UnknownLayoutError, match="Name the database of a view"):
        open_history(store).receivers(other)


def test_a_target_that_has_no_tables(store: Path) -> None:
    """A broker has no tracking tables; its secrets are not repeated."""
    with pytest.raises(errors.UnknownTargetError, match="PostgreSQL database") as refused:
        open_history(store).receivers("nats://ann:s3cret@host/S")
    assert "s3cret" not in str(refused.value)


def test_a_database_that_is_not_there(store: Path, tmp_path: Path) -> None:
    """A file that is not there is an error, and is not made."""
    with pytest.raises(errors.StoreNotFoundError):
        open_history(store).receivers(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
