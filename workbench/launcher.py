"""The tile in JupyterLab's launcher: what `jupyter-server-proxy` asks for, in its words.

The pages run in a process of their own, which Jupyter starts when the tile is clicked and to
which it hands on what the browser asks. Whoever may use Jupyter may see them, and nobody
else: they listen on this machine alone, and take what comes for their own only from Jupyter.
"""

from __future__ import annotations

import sys
from importlib.resources import files

NAME = "event-workbench"
START_S = 60


def tile() -> dict[str, object]:
    """Return how Jupyter starts the pages, and what their tile looks like."""
    here = "127.0.0.1:{port}"
    return {
        "command": [
            *(sys.executable, "-m", "workbench", "start", "--no-open"),
            *("--port", "{port}", "--prefix", f"{{base_url}}{NAME}"),
        ],
        "timeout": START_S,
        "absolute_url": True,
        "new_browser_tab": False,
        # Jupyter has seen to it that the request comes from its own page.
        "request_headers_override": {"Host": here, "Origin": f"http://{here}"},
        "launcher_entry": {
            "title": "Event workbench",
            "icon_path": str(files(__package__) / "assets" / "workbench.svg"),
            "path_info": f"{NAME}/start",
            "category": "Other",
        },
    }
