"""What `%load_ext workbench` calls; light, so that `import workbench` does not load IPython."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make the cell magic `%%trial` known to a shell; called by `%load_ext workbench`."""
    from workbench.magic import TrialMagic

    shell.register_magics(TrialMagic)
