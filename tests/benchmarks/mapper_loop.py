"""The library's recorder and mapper in a plain loop: prints its seconds, and the processor's."""

from __future__ import annotations

import sys
import time
from importlib import import_module

from big_store import transcoder
from eventsourcing.persistence import Mapper
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

PAGE = 5_000


def main() -> None:
    """Make every event of a store, with the classes of a module."""
    _, path, module = sys.argv
    import_module(module)
    begun, before = time.perf_counter(), time.process_time()
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(path))
    to_domain_event, last = Mapper(transcoder()).to_domain_event, None
    while page := recorder.select_notifications(last, PAGE, inclusive_of_start=last is None):
        for notification in page:
            to_domain_event(notification)
        last = page[-1].id
    recorder.datastore.close()
    print(time.perf_counter() - begun, time.process_time() - before)


if __name__ == "__main__":
    main()
