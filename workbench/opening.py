"""The one door: from a target, a path, a URL or an object, to its history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from workbench.errors import WrongKeyError
from workbench.history import History
from workbench.payload.codec import Codec, make_codec
from workbench.redaction import redacted
from workbench.targets import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench.sources.columns import Columns

KEY_SAMPLE = 20


def open_history(  # noqa: PLR0913, options that are named
    target: object,
    *,
    application: str | None = None,
    cipher_key: str | None = None,
    cipher: str | None = None,
    compressor: str | None = None,
    env: Mapping[str, str] | None = None,
    columns: Columns | None = None,
    object_type: str | None = None,
    decode: Callable[[bytes, str], object] | None = None,
    **options: object,
) -> History:
    """Return the history of the events that lie at `target`, opened for reading only.

    Parameters
    ----------
    target
        A path of a store, of a file of events (.parquet, .csv, .ndjson, .arrow) or a folder of
        them, of a Delta table, or of a process-mining log (.xes, .xes.gz, OCEL 2.0 as .json or
        .sqlite); a URL such as 'sqlite:///shop.db', 'sqlite:////abs/shop.db?application=a',
        'nats://host:4222/STREAM' or 'kafka://host:9092/topic'; or a live application or
        recorder of `eventsourcing`, also in memory.
    application
        Which application, where a file holds several.
    cipher_key
        The key of encrypted payloads, as `AESCipher.create_key` makes it.
    cipher
        The topic of another cipher than the library's AES.
    compressor
        The topic of a compressor that is not zlib, gzip, bz2 or xz, which are
        recognised by themselves. Naming it imports it.
    env
        Where to look for the library's own names of the last three, `CIPHER_KEY`,
        `CIPHER_TOPIC` and `COMPRESSOR_TOPIC`; by default the process's environment.
    columns
        Which column of a file is which of the event table, such as `{"position": "id",
        "stream": "order_id", "type": "kind", "time": "at", "data": ...}`. A column is named,
        or given as a Polars expression. For `data` also several: a list, or `...` for all
        that are not mapped; they become a JSON object. By default columns are recognised that
        are named as in `workbench.tables.EVENTS`.
    object_type
        Which objects of an object-centric log are the streams; by default those of which
        most events have exactly one.
    decode
        A function that reads payloads in a format of your own, such as Avro or Protobuf. It
        is given the bytes and the event's type, and returns JSON text or a value that JSON
        has. What it raises becomes the event's `problem`.
    options
        Where things stand in a broker's messages, and how it is spoken to; the README lists
        them. Those that are text may stand in the URL too: 'kafka://host/topic?type_field=t'.

    Raises
    ------
    UnknownTargetError
        If no kind of source fits the target.
    StoreNotFoundError, StoreUnreadableError, StoreLockedError
        If the store is not there, or cannot be read.
    UnknownLayoutError
        If it is a database without stored events.
    UnknownApplicationError
        If it holds several applications, and none or no existing one was named.
    WrongKeyError
        If no stored event can be deciphered with the key.
    MappingError
        If the columns of a file make no events: one is not there, or a position occurs twice.
    CodecError, MissingExtraError
        If a cipher or compressor cannot be used, or a package is not installed.

    Examples
    --------
    >>> from workbench.samples import shop_path
    >>> open_history(shop_path())
    <History 'shop.db': eventsourcing 9, SQLite>
    """
    source = open_source(target, application, columns, object_type, **options)
    codec = _codec_of(target) or make_codec(
        cipher_key=cipher_key,
        cipher=cipher,
        compressor=compressor,
        application=source.application,
        env=env,
    )
    if decode is not None:
        codec = replace(codec, decode=decode)
    told = redacted(target) if isinstance(target, str | Path) else None
    history = History(source, codec, target=told)
    if codec.cipher is not None:
        _check_key(history)
    return history


def _codec_of(target: object) -> Codec | None:
    """Return how a live application encodes its payloads, None for anything else."""
    mapper = getattr(target, "mapper", None)
    if mapper is None:
        return None
    compressor = getattr(mapper, "compressor", None)
    return Codec(
        cipher=getattr(mapper, "cipher", None),
        decompress=None if compressor is None else compressor.decompress,
    )


def _check_key(history: History) -> None:
    """Try the key on a few events at both ends: a wrong one fits none."""
    columns = ("position", "problem")
    first = history.scan().select(columns).head(KEY_SAMPLE).collect()
    last = history.between(after=(history.head or 0) - KEY_SAMPLE).scan().select(columns).collect()
    tried = pl.concat([first, last])
    refused = tried.filter(pl.col("problem").str.starts_with("not deciphered"))
    if tried.height and refused.height == tried.height:
        msg = (
            f"Cannot decipher {history.name!r}: the key fits none of "
            f"{tried['position'].n_unique()} events that were tried "
            f"({refused['problem'][0]}). Give the key that wrote them."
        )
        raise WrongKeyError(msg)
