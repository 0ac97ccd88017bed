"""Running a projection over a history: the door to trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import ProjectionError
from workbench.projections.declared import Projection
from workbench.projections.of_library import LibraryOptions, library_plan
from workbench.projections.plan import CellPlan, FramePlan, Plan
from workbench.trials.engine import Engine, edits_of, head_of, own_state
from workbench.trials.files import TrialFolder, read_folder
from workbench.trials.recipe import Recipe, source_hash
from workbench.trials.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    import polars as pl
    from eventsourcing.persistence import Mapper, Transcoder

    from workbench.classes import Named
    from workbench.history import History
    from workbench.reading import Progress

    Replayable = type[Any] | Callable[[pl.LazyFrame], pl.LazyFrame]


def replay(  # noqa: PLR0913, each is of one kind of projection
    history: History,
    projection: Replayable,
    *,
    key: str | Sequence[str] | None = None,
    on_error: Literal["stop", "collect"] = "stop",
    progress: bool | Callable[[Progress], None] = True,
    folder: str | Path | None = None,
    view: type[Any] | None = None,
    classes: Sequence[Named] = (),
    env: Mapping[str, str] | None = None,
    transcoder: Transcoder | None = None,
    mapper: Mapper[Any] | None = None,
    scratch: str | None = None,
    stop: Event | None = None,
) -> Trial:
    """Return the trial of a projection over a history.

    Events come in order of position; those whose payload cannot be decoded, and are
    of a type that is handled, are failures. Ctrl-C, or the notebook's stop button, ends
    the replay after the event that is being handled: what there is comes back as a
    trial with `is_complete` false, which `Trial.resume` completes.

    Parameters
    ----------
    history
        The events. They are read up to the head as it is when the replay begins.
    projection
        A class that derives from `workbench.Projection`, which is made anew, so that
        nothing is left from a run before; or a function from the event table, a Polars
        LazyFrame, to a table, a LazyFrame; or a class that derives from
        `eventsourcing.projection.Projection`, with its `view`; or an aggregate class of
        the library, of which every stream is a row of its attributes.
    key
        For a Polars function, the column or columns that tell the rows of its table apart.
    on_error
        'stop': the first event that a handler cannot process raises. 'collect': it is
        listed in `failures`, its changes are taken back, and the replay goes on.
    progress
        Whether a bar is shown once it takes over a second, in a terminal or a notebook;
        or a function that is called now and then with how far the replay has come.
    folder
        Where to keep the trial, every ten seconds and at the end: after a crash,
        `load_trial` gives back what there was.
    view
        For a projection of the library, the class of its view: one that derives from
        `SQLiteTrackingRecorder` runs in a database of the trial's own, one that derives from
        `PostgresTrackingRecorder` in a schema of the database that `scratch` names; any other
        is made without arguments, and its attributes are the tables.
    classes
        For classes of the library, where those of the events are: modules, their names,
        or classes, which stand for their modules. That of the projection, of its view, or
        of the aggregate is among them. No other module is ever imported for a stored type.
    env
        For a projection of the library, what its view's factory is configured with.
    transcoder
        For classes of the library, the application's transcoder, where it has
        transcodings of its own.
    mapper
        For classes of the library, the application's mapper, where it has one of its own.
        It gets payloads as JSON, deciphered and decompressed.
    scratch
        For a view in PostgreSQL, the URL of a database in which no events are stored. The
        view runs in a schema that is made for the trial, and is dropped with it.
    stop
        Once it is set, from another thread, the replay ends as it does at Ctrl-C.

    Raises
    ------
    HandlerError
        If a handler raised, and `on_error` is 'stop'. The error's `trial` is what there
        was before.
    ProjectionError
        If the projection has no tables or handlers, handles no type that the history
        has, or sets what its tables do not declare.
    TrialError
        If the folder cannot be used.
    """
    if on_error not in {"stop", "collect"}:
        msg = f"Cannot replay with on_error={on_error!r}. Choose 'stop' or 'collect'."
        raise ProjectionError(msg)
    options = LibraryOptions(view, tuple(classes), env, transcoder, mapper, scratch)
    plan = plan_of(projection, key, options)
    kept = None if folder is None else TrialFolder.at(folder)
    return Engine(plan, history, on_error, kept, stop=stop).begin(head_of(history), progress)


def plan_of(
    projection: Any,  # noqa: ANN401, checked here
    key: str | Sequence[str] | None,
    options: LibraryOptions | None = None,
) -> Plan | FramePlan:
    """Return what is to be run.

    Raises
    ------
    ProjectionError
        If it is no projection, or the arguments do not go with its kind.
    """
    options = options or LibraryOptions()
    if (of_library := library_plan(projection, options)) is not None:
        return of_library
    if given := options.given_names:
        msg = (
            f"Cannot use {', '.join(given)} with {projection!r:.100}: it is neither a projection "
            "nor an aggregate of the library. Leave them out."
        )
        raise ProjectionError(msg)
    if isinstance(projection, type) and issubclass(projection, Projection):
        return CellPlan(projection)
    if callable(projection) and not isinstance(projection, type):
        if not key:
            msg = (
                f"Cannot replay into {getattr(projection, '__name__', projection)!r:.100} without "
                "its key. Name the columns that tell the rows of its table apart: key='order'."
            )
            raise ProjectionError(msg)
        return FramePlan(projection, (key,) if isinstance(key, str) else tuple(key))
    msg = (
        f"Cannot replay into {projection!r:.100}: it is no projection. Give a class that derives "
        "from workbench.Projection or from the library's, an aggregate class, or a Polars function."
    )
    raise ProjectionError(msg)


def load_trial(  # noqa: PLR0913, as replay
    folder: str | Path,
    *,
    history: History | None = None,
    projection: Replayable | None = None,
    key: str | Sequence[str] | None = None,
    view: type[Any] | None = None,
    classes: Sequence[Named] = (),
    env: Mapping[str, str] | None = None,
    transcoder: Transcoder | None = None,
    mapper: Mapper[Any] | None = None,
    scratch: str | None = None,
) -> Trial:
    """Return the trial that was saved in a folder.

    No code is loaded with it. To go on with it, or to run it again, give the history and
    the projection that it came from.

    Parameters
    ----------
    folder
        What `Trial.save`, or `replay(folder=...)`, was given.
    history, projection, key, view, classes, env, transcoder, mapper, scratch
        As in `replay`.

    Raises
    ------
    TrialError
        If no trial is there, or it is damaged.
    """
    about, frames, tables = read_folder(folder)
    recipe = Recipe.from_dict(about["recipe"])
    options = LibraryOptions(view, tuple(classes), env, transcoder, mapper, scratch)
    plan = None if projection is None else plan_of(projection, key, options)
    engine = Engine(
        plan, history, recipe.on_error, told=recipe, stale=_stale(about, recipe, plan, history)
    )
    pinned = None
    if history is not None:
        pinned = history.between(after=recipe.after, upto=max(recipe.upto, recipe.after or 0))
    return Trial(
        name=about["name"],
        history=pinned,
        events=about["events"],
        last_position=about["last_position"],
        elapsed_s=about["elapsed_s"],
        is_complete=about["is_complete"],
        failures=frames["failures"],
        handled=frames["handled"],
        profile=frames["profile"],
        handlers=about["handlers"],
        recorded=tables,
        engine=engine,
    )


def _stale(
    about: dict[str, Any], recipe: Recipe, plan: Plan | FramePlan | None, history: History | None
) -> str | None:
    """Return why a loaded trial cannot go on with this projection and history, if it cannot."""
    begins = f"Cannot go on with the trial of {recipe.projection}: "
    if about["keeps_own_state"]:
        return own_state(recipe.projection)
    if plan is not None and source_hash(*plan.code) != recipe.projection_hash:
        return f"{begins}the code of {plan.name} is another by now. Use trial.rerun()."
    if history is not None and history.narrowed != recipe.narrowed:
        return (
            f"{begins}the history is narrowed to {history.narrowed or 'nothing'}, and was to "
            f"{recipe.narrowed or 'nothing'}. Narrow it in the same way."
        )
    if history is not None and edits_of(history) != recipe.edits:
        return f"{begins}the history is edited in another way. Edit it in the same way."
    return None
