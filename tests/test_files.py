"""Files are written whole or not at all, and tables alike wherever they come from."""

from pathlib import Path

import pytest

from dvae_helpers import files, zoo

ROOT = Path(__file__).parents[1]


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


def test_a_place_is_tried_without_a_trace(tmp_path):
    files.check_writable(tmp_path / "new" / "deep" / "table.csv")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("x")
    files.check_writable(tmp_path / "file")  # may be replaced
    for place, said in (
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "x", "file is a file, no folder"),
        (tmp_path / "file" / "deep" / "x", "file is a file, no folder"),
    ):
        with pytest.raises(files.CannotWrite, match=said):
            files.check_writable(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_table_has_its_columns_in_order_and_one_kind_of_line_end(tmp_path):
    rows = [{"b": 0.5, "a": "one, two"}, {"b": float("nan"), "a": 'said "three"'}]
    files.write_csv(tmp_path / "table.csv", ("a", "b"), rows)
    content = (tmp_path / "table.csv").read_bytes()
    assert content == b'a,b\n"one, two",0.5\n"said ""three""",nan\n'
    with pytest.raises(ValueError, match="'b'"):
        files.write_csv(tmp_path / "table.csv", ("a",), rows)
    assert (tmp_path / "table.csv").read_bytes() == content


class TestDataFolder:
    def test_it_is_the_checkout_s_or_what_the_environment_names(self, monkeypatch, tmp_path):
        monkeypatch.delenv("DVAE_DATA", raising=False)
        assert files.data_folder() == ROOT / "data"
        monkeypatch.setenv("DVAE_DATA", str(tmp_path))
        assert files.data_folder() == tmp_path

    def test_a_name_with_a_tilde_is_in_the_home_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        monkeypatch.setenv("DVAE_DATA", "~/copy")
        assert files.data_folder() == (tmp_path / "copy").resolve()

    def test_a_relative_name_means_the_same_in_a_terminal_and_in_a_notebook(
        self, monkeypatch, tmp_path
    ):
        monkeypatch.setenv("DVAE_DATA", "data")
        for place in (ROOT, ROOT / "notebooks"):
            monkeypatch.chdir(place)
            assert files.data_folder() == ROOT / "data"
        monkeypatch.setenv("DVAE_DATA", "mine")
        monkeypatch.chdir(tmp_path)
        assert files.data_folder() == tmp_path / "mine"

    def test_without_a_checkout_it_says_where_the_data_come_from(self, monkeypatch, tmp_path):
        monkeypatch.delenv("DVAE_DATA", raising=False)
        assert "git checkout" in files.where_from()
        monkeypatch.setattr(files, "__file__", str(tmp_path / "site" / "dvae_helpers" / "files.py"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert files.checkout() is None
        assert files.data_folder() == tmp_path / ".dvae_helpers"
        with pytest.raises(ValueError, match=r"There is no .*without the course's data.*DVAE_DATA"):
            zoo.load("small_beta_vae_1")
