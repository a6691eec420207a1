"""Files are written whole or not at all, and tables alike wherever they come from."""

from pathlib import Path

import pytest

from dvae_helpers import files


def test_a_file_is_replaced_whole_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    files.write_whole(path, b"one")
    files.write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    files.write_whole(path, b"old")

    def fail(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_place_never_holds_part_of_a_file(tmp_path, monkeypatch):
    """At the moment of the rename the whole content is already on the disk."""
    seen, replace = [], files.os.replace
    monkeypatch.setattr(
        files.os,
        "replace",
        lambda a, b: (seen.append((Path(a).read_bytes(), Path(b).exists())), replace(a, b)),
    )
    files.write_whole(tmp_path / "file", b"content")
    assert seen == [(b"content", False)]


def test_a_table_has_its_columns_in_order_and_one_kind_of_line_end(tmp_path):
    rows = [{"b": 0.5, "a": "one, two"}, {"b": float("nan"), "a": 'said "three"'}]
    files.write_csv(tmp_path / "table.csv", ("a", "b"), rows)
    content = (tmp_path / "table.csv").read_bytes()
    assert content == b'a,b\n"one, two",0.5\n"said ""three""",nan\n'
    with pytest.raises(ValueError, match="'b'"):
        files.write_csv(tmp_path / "table.csv", ("a",), rows)
    assert (tmp_path / "table.csv").read_bytes() == content
