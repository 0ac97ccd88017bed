"""PostgreSQL as a source, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contracts import Made, SourceContract
from postgres_stores import LAYOUTS, write
from stores import cut_parts, simple_rows

from workbench import open_history

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="class", autouse=True)
def _small_parts() -> Iterator[None]:
    """Let a part of a reading begin at a few rows, so that there are several."""
    with pytest.MonkeyPatch.context() as patch:
        cut_parts(patch, 4)
        patch.setattr("workbench.sources.postgres.ROWS_A_PART", 4)
        yield


@pytest.mark.parametrize("layout", LAYOUTS, scope="class")
class TestContract(SourceContract):
    """What every source must do, over every layout."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, postgres, layout):
        """Write rows with holes, and open them."""
        rows = [
            *simple_rows(13),
            *(r._replace(position=r.position + 40) for r in simple_rows(25)[13:]),
        ]
        url = write(postgres, LAYOUTS[layout], rows)
        source = open_history(url).source
        with source.waiting():  # so that not each question has a connection of its own
            yield Made(source, LAYOUTS[layout].shown(rows))
