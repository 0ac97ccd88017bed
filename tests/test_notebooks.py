"""The notebooks run from top to bottom, with no network, and are committed without outputs."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MOST_CELLS = 50
LONGEST_S = 120


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, monkeypatch):
    """Every cell of the notebook runs, the asserts at its end among them."""
    # Whoever asks for a proxy that is not there has no network.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=LONGEST_S, kernel_name="python3").execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_has_no_outputs(path):
    """The notebook is committed without outputs and execution counts, and is short."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]]
    assert len(cells) < MOST_CELLS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_ends_in_asserts(path):
    """The last cell asserts what the notebook has shown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(line.startswith("assert ") for line in cells[-1]["source"])


_SLOW = """
import time
from workbench import progress
progress.PATIENCE_S = progress._CELL_EVERY_S = 0.0
import polars as pl
from workbench import Projection, handles, open_history, replay, table
from workbench.samples import shop_path

class Counts(Projection):
    counts = table(key={"type": pl.String}, values={"events": pl.Int64})

    @handles("Order.Placed")
    def placed(self, event):
        self.counts.set(event.type, events=event.position)

trial = replay(open_history(shop_path()), Counts, on_error="collect")
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_progress_in_a_notebook(monkeypatch):
    """A bar with events, rate and time left stands under the cell, and is gone at the end."""
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_SLOW)])
    client = NotebookClient(notebook, timeout=LONGEST_S, kernel_name="python3")
    seen = []

    def note(cell, cell_index, execute_reply):
        seen.extend(cell.outputs)

    client.on_cell_executed = note
    updates = []
    plain = client.process_message

    def process(message, cell, cell_index):
        if message["msg_type"] in {"display_data", "update_display_data"}:
            updates.append(message["content"]["data"]["text/html"])
        return plain(message, cell, cell_index)

    monkeypatch.setattr(client, "process_message", process)
    client.execute()
    assert "replaying Counts" in updates[0]
    assert " events, " in updates[0]
    assert " left</div>" in updates[0]
    assert updates[-1] == ""
    assert [output["data"]["text/html"] for output in seen] == [""]
