"""The structure of the package: what is public, what imports what, and what is loaded."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import workbench
from workbench import errors, tables

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    module.name
    for module in walk_packages(workbench.__path__, "workbench.")
    if not module.name.endswith("__main__")
)
HEAVY = (
    *("panel", "bokeh", "plotly", "pandas", "param", "jupyterlab", "IPython"),
    *("eventsourcing", "pyarrow", "numpy", "adbc_driver_manager", "click", "rich"),
    "deltalake",
)
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "workbench").rglob("*.py")
    if not path.name.startswith("release_")
)


def _documented():
    """Yield every public function, class and method that is defined in the package."""
    for name in MODULES:
        if ".samples.release_" in name:
            continue
        for of, thing in vars(import_module(name)).items():
            if of.startswith("_") or getattr(thing, "__module__", None) != name:
                continue
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield pytest.param(thing, id=f"{name}:{of}")


def test_exported_names_are_all():
    """The public names are those of `__all__`, sorted, each from the module that it stands in."""
    assert workbench.__all__ == sorted(workbench.__all__)
    assert set(workbench._HOMES) == set(workbench.__all__) == set(dir(workbench))
    assert {name: getattr(workbench, name).__module__ for name in workbench.__all__} == {
        name: import_module(f"workbench.{home}").__dict__[name].__module__
        for name, home in workbench._HOMES.items()
    }


def test_public_names_are_what_a_type_checker_sees():
    """What is imported for type checkers is what is looked up when it is asked for."""
    tree = ast.parse(Path(workbench.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module.removeprefix("workbench.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("workbench.")
        for alias in node.names
    }
    assert seen == workbench._HOMES


def test_name_that_is_not_there_is_said():
    """A name that is mistyped is an AttributeError, as of any module."""
    name = "open_histroy"
    with pytest.raises(AttributeError, match="no attribute 'open_histroy'"):
        getattr(workbench, name)


@pytest.mark.parametrize("thing", list(_documented()))
def test_public_thing_has_a_docstring(thing):
    """Everything public says in its first line what it is or what comes back."""
    assert inspect.getdoc(thing)


def _public_functions(body, name=""):
    """Yield the public functions and methods of a syntax tree, with their names."""
    for node in body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from _public_functions(node.body, f"{name}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield f"{name}{node.name}", node


def _own(node):
    """Yield what is in a function, but not in functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _own(child)


def _raises(function):
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in _own(function))


@pytest.mark.parametrize("path", SOURCES)
def test_public_function_has_a_docstring(path):
    """Every public function and method of a public class says what comes back."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    missing = [
        name
        for name, function in _public_functions(tree.body)
        if not ast.get_docstring(function)
        if not any("overload" in ast.unparse(d) for d in function.decorator_list)
    ]
    assert missing == []


@pytest.mark.parametrize("path", SOURCES)
def test_public_function_says_what_it_raises(path):
    """A public function that raises has the section `Raises`."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    silent = [
        name
        for name, function in _public_functions(tree.body)
        if _raises(function) and "Raises\n" not in (ast.get_docstring(function) or "")
    ]
    assert silent == []


def test_error_tree_is_drawn():
    """The tree in the docstring of errors.py has every class, with its builtin and its parent."""
    drawn = re.findall(r"(\w+Error)(?: \((\w+)\))?  ", errors.__doc__)
    defined = {
        name: thing
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.WorkbenchError)
    }
    assert {name for name, _ in drawn} | {"WorkbenchError"} == set(defined)
    for name, builtin in drawn:
        assert not builtin or issubclass(defined[name], getattr(builtins, builtin))


def test_error_tree_is_drawn_under_the_right_parents():
    """A class stands one level below the class that it derives from."""
    above, wrong = ["WorkbenchError"], []
    for line in re.findall(r"^ *[│├└ ].*Error.*$", errors.__doc__, flags=re.MULTILINE):
        place = re.search(r"\w+Error", line)
        depth = (place.start() - 4) // 4
        above[depth:] = [place[0]]
        if not issubclass(getattr(errors, place[0]), getattr(errors, above[depth - 1])):
            wrong.append(place[0])
    assert wrong == []


def test_every_error_is_also_a_builtin():
    """Each class of the tree can be caught as the builtin that a caller would expect."""
    builtin = {Exception, BaseException, object, errors.WorkbenchError}
    plain = [
        name
        for name, thing in vars(errors).items()
        if name.endswith("Error") and not set(thing.__mro__[1:]) - builtin
    ]
    assert plain == ["WorkbenchError"]


@pytest.mark.parametrize("name", [t.name for t in tables.ALL])
def test_spec_makes_an_empty_frame_of_its_schema(name):
    """A spec's empty frame has its schema."""
    (table,) = [t for t in tables.ALL if t.name == name]
    assert table.misfits(table.frame()) == []


@pytest.mark.slow
def test_imports_point_one_way():
    """import-linter finds no import against the layers, Panel only in the dashboards."""
    found = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; lint_imports()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "0 broken" in found.stdout


def test_import_is_light():
    """`import workbench` loads no package that takes long, and all its names only Polars."""
    code = f"""
import sys, workbench
print([m for m in {("polars", *HEAVY)} if m in sys.modules])
for name in workbench.__all__:
    getattr(workbench, name)
print([m for m in {HEAVY} if m in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n") == ["[]", "[]", ""]


def test_no_module_is_too_long():
    """A module past 400 lines is two things."""
    long = [
        f"{path.name}: {lines}"
        for path in (ROOT / "workbench").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    ]
    assert long == []


def test_top_level_is_what_was_agreed():
    """The checkout holds the agreed names and dotfiles, and nothing else."""
    agreed = {
        *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
        *("workbench", "notebooks", "tests", "data", "binder"),
    }
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {name.split("/")[0] for name in tracked if not name.startswith(".")} == agreed
