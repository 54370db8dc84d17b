"""Where a file is to be written is tried before the work whose result it will hold."""

import pytest

from mlcourse import files
from mlcourse.errors import DataError


def test_a_place_is_tried_and_nothing_is_left_behind(tmp_path):
    files.require_place(tmp_path / "new" / "deeper" / "table.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written .Not a directory"):
        files.require_place(tmp_path / "file" / "table.json")
    with pytest.raises(DataError, match="it is a folder; name a file in it"):
        files.require_place(tmp_path)
