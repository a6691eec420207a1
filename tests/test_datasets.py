"""Image sets: what `load` gives, and what it refuses."""

import io
import math
import pickle
import warnings
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dvae_helpers import datasets, dsprites_file, sprites
from dvae_helpers.factors import FactorSpace


@pytest.fixture(scope="session")
def grid():
    """All 737,280 images, drawn once for all tests: 377 MB."""
    return datasets.load("sprites")


def dsprites_arrays(n=7, seed=1):
    classes = sprites.FACTORS.sample(n, torch.Generator().manual_seed(seed))
    return {"imgs": sprites.render(classes).numpy(), "latents_classes": classes.numpy()}


def as_file(path, compressed=True, **arrays):
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **arrays)
    path.write_bytes(content.getvalue())
    return path


class TestSprites:
    def test_the_grid_is_whole_and_in_order(self, grid):
        assert len(grid) == 737_280
        assert grid.factors == sprites.FACTORS
        assert grid.shape == (1, 64, 64)
        index = torch.randint(len(grid), (400,), generator=torch.Generator().manual_seed(2))
        index = torch.cat((index, torch.tensor([0, len(grid) - 1])))
        classes = grid.classes(index)
        assert torch.equal(classes, sprites.FACTORS.classes(index))
        images = grid.images(index)
        assert images.dtype == torch.float32
        assert torch.equal(images[:, 0], sprites.render(classes).float())
        assert torch.equal(grid.find(classes), index)

    def test_pixels_are_packed_eight_to_a_byte(self, grid):
        assert grid.pixels.numel() * grid.pixels.element_size() == 737_280 * 512


class TestSmallSprites:
    def test_images_are_what_their_factors_say(self, small):
        assert small.factors == FactorSpace(
            ("shape", "scale", "x", "y"),
            (3, 6, 16, 16),
            ("nominal", "ordered", "ordered", "ordered"),
        )
        assert small.shape == (1, 32, 32)
        assert len(small) == len(small.factors) == 4608
        index = torch.randperm(len(small), generator=torch.Generator().manual_seed(3))[:500]
        shape, scale, x, y = small.classes(index).unbind(1)
        full = sprites.render(torch.stack((shape, scale, 0 * x, 2 * x, 2 * y), 1))
        assert torch.equal(small.images(index)[:, 0], full[:, ::2, ::2].float())
        assert torch.equal(small.find(small.classes(index)), index)

    def test_every_image_shows_something_that_fits(self, small):
        images = small.images(torch.arange(len(small)))
        assert set(images.unique().tolist()) == {0.0, 1.0}
        assert int(images.flatten(1).sum(1).min()) > 8
        edge = torch.cat((images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]))
        assert not edge.any()

    def test_only_squares_of_neighbouring_scales_look_the_same(self, small):
        """On the coarse grid some squares of two scales cover the same pixel centres."""
        pixels = small.pixels.flatten(1)
        _, first_seen = pixels.unique(dim=0, return_inverse=True)
        order = first_seen.argsort(stable=True)
        same = first_seen[order][1:] == first_seen[order][:-1]
        one, other = small.classes(order[:-1][same]), small.classes(order[1:][same])
        assert len(one) < 0.07 * len(small)
        assert not one[:, 0].any()
        assert not other[:, 0].any()
        difference = (one - other).abs()
        assert set(difference[:, 1].tolist()) <= {1}
        assert not difference[:, 2:].any()


class TestImageSet:
    def test_grey_values_run_from_0_to_1(self, tiny):
        index = torch.tensor([4, 0, 4, 29])
        images = tiny.images(index)
        assert images.shape == (4, 1, 4, 6)
        assert torch.equal(images, tiny.pixels[index].float() / 255)

    def test_packed_bits_keep_their_places(self):
        """Two channels, two rows, 16 columns: pixel (c, i, j) is bit j mod 8 of byte j // 8."""
        space = FactorSpace(("a",), (3,))
        generator = torch.Generator().manual_seed(5)
        wanted = torch.randint(2, (3, 2, 2, 16), generator=generator)
        packed = torch.from_numpy(np.packbits(wanted.numpy(), axis=-1, bitorder="little"))
        data = datasets.ImageSet("bits", space, (2, 2, 16), packed)
        assert torch.equal(data.images(torch.tensor([2, 0])), wanted[[2, 0]].float())

    def test_find_works_on_a_set_in_any_order(self):
        space = FactorSpace(("a", "b"), (4, 5))
        index = torch.randperm(20, generator=torch.Generator().manual_seed(6))[:13]
        values = space.classes(index)
        pixels = torch.zeros(13, 1, 2, 8, dtype=torch.uint8)
        data = datasets.ImageSet("some", space, (1, 2, 8), pixels, values)
        asked = torch.tensor([12, 3, 3, 0, 7])
        assert torch.equal(data.classes(asked), values[asked])
        assert torch.equal(data.find(values[asked]), asked)
        absent = next(n for n in range(20) if n not in index.tolist())
        combination = space.classes(absent)
        with pytest.raises(ValueError, match=rf"'some' has no image.*\[{combination[0]}, "):
            data.find(torch.stack((values[0], combination)))
        with pytest.raises(ValueError, match="'b' has values from 5"):
            data.find(torch.tensor([[0, 5]]))

    def test_to_moves_pixels_and_values(self, tiny):
        values = tiny.factors.classes(torch.arange(30))
        data = datasets.ImageSet("moved", tiny.factors, tiny.shape, tiny.pixels, values)
        moved = data.to("meta")
        assert moved.device.type == moved.values.device.type == "meta"
        assert (moved.name, moved.factors, moved.shape) == ("moved", tiny.factors, tiny.shape)

    def test_no_numbers_give_no_images(self, tiny):
        nothing = torch.empty(0, dtype=torch.int64)
        assert tiny.images(nothing).shape == (0, 1, 4, 6)
        assert tiny.classes(nothing).shape == (0, 3)

    @pytest.mark.parametrize(
        ("index", "said"),
        [
            (torch.tensor([0, 30]), "from 0 to 30.*'tiny' has images 0 to 29"),
            (torch.tensor([-1, 2]), "from -1 to 2"),
            (torch.tensor([0.0, 1.0]), "float32"),
            (torch.ones(30, dtype=torch.bool), "bool"),
            (torch.tensor([[0, 1]]), r"shape \(1, 2\)"),
            (3, r"shape \(\)"),
            (math.nan, "float"),
        ],
    )
    def test_numbers_that_are_none_are_refused(self, tiny, index, said):
        for call in (tiny.images, tiny.classes):
            with pytest.raises(ValueError, match=said):
                call(index)

    def test_repr_says_what_it_is(self, tiny):
        assert "tiny" in repr(tiny)
        assert "30 images" in repr(tiny)


class TestFile:
    def test_the_real_subset_loads_by_its_path(self, subset_path):
        data = datasets.load("dsprites", path=subset_path)
        with np.load(subset_path, allow_pickle=False) as file:
            real, classes = (
                torch.from_numpy(file["imgs"]),
                torch.from_numpy(file["latents_classes"]),
            )
        assert len(data) == len(real) == 20_000
        assert torch.equal(data.classes(torch.arange(20_000)), classes.long())
        for index in torch.arange(20_000).split(4000):
            assert torch.equal(data.images(index)[:, 0], real[index].float())
        asked = torch.tensor([19_999, 5, 777])
        assert torch.equal(data.find(data.classes(asked)), asked)

    @pytest.mark.parametrize("compressed", [True, False])
    @pytest.mark.parametrize("dtype", [np.int64, np.uint8])
    def test_a_file_gives_its_own_images(self, tmp_path, compressed, dtype):
        arrays = dsprites_arrays()
        arrays["latents_classes"] = arrays["latents_classes"].astype(dtype)
        path = as_file(tmp_path / "some.npz", compressed, **arrays)
        data = datasets.load("dsprites", path=str(path))
        assert (data.name, len(data), data.shape) == ("dsprites", 7, (1, 64, 64))
        assert np.array_equal(data.images(torch.arange(7))[:, 0], arrays["imgs"])
        assert np.array_equal(data.classes(torch.arange(7)), arrays["latents_classes"])

    def test_a_color_column_is_left_out(self, tmp_path):
        arrays = dsprites_arrays()
        plain = arrays["latents_classes"]
        arrays["latents_classes"] = np.concatenate((np.zeros_like(plain[:, :1]), plain), 1)
        data = datasets.load("dsprites", path=as_file(tmp_path / "six.npz", **arrays))
        assert np.array_equal(data.classes(torch.arange(7)), plain)
        arrays["latents_classes"][3, 0] = 1
        with pytest.raises(ValueError, match="color"):
            datasets.load("dsprites", path=as_file(tmp_path / "red.npz", **arrays))

    def test_the_file_decides_where_it_differs_from_the_drawing_by_little(self, tmp_path):
        arrays = dsprites_arrays()
        arrays["imgs"][2, 30, 17] ^= 1
        data = datasets.load("dsprites", path=as_file(tmp_path / "one.npz", **arrays))
        assert np.array_equal(data.images(torch.arange(7))[:, 0], arrays["imgs"])

    def test_images_that_do_not_match_their_factors_are_refused(self, tmp_path):
        arrays = dsprites_arrays()
        arrays["imgs"] = np.roll(arrays["imgs"], 1, axis=0)
        path = as_file(tmp_path / "rolled.npz", **arrays)
        with pytest.raises(ValueError, match=r"rolled\.npz: 7 of 7 images are not"):
            datasets.load("dsprites", path=path)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"imgs": None}, "no.*imgs"),
            ({"latents_classes": None}, "no.*latents_classes"),
            ({"imgs": np.zeros((7, 64, 64), np.float32)}, "float32"),
            ({"imgs": np.full((7, 64, 64), 255, np.uint8)}, "255"),
            ({"imgs": np.zeros((7, 32, 32), np.uint8)}, r"\(7, 32, 32\)"),
            ({"imgs": np.zeros((6, 64, 64), np.uint8)}, r"\(6, 64, 64\)"),
            ({"imgs": np.zeros((8, 64, 64), np.uint8)}, r"\(8, 64, 64\)"),
            ({"imgs": np.asfortranarray(np.zeros((7, 64, 64), np.uint8))}, "imgs"),
            ({"latents_classes": np.zeros((7, 5))}, "float64"),
            ({"latents_classes": np.zeros((7, 5), bool)}, "bool"),
            ({"latents_classes": np.zeros((7, 4), int)}, r"\(7, 4\)"),
            ({"latents_classes": np.zeros(7, int)}, r"\(7,\)"),
            ({"latents_classes": np.full((7, 5), 3)}, "'shape' has values from 3"),
            ({"latents_classes": np.full((7, 5), -1)}, "'shape' has values from -1"),
            (
                {
                    "imgs": np.zeros((0, 64, 64), np.uint8),
                    "latents_classes": np.zeros((0, 5), int),
                },
                "no images",
            ),
        ],
    )
    def test_other_content_is_refused_and_named(self, tmp_path, change, said):
        arrays = {k: v for k, v in (dsprites_arrays() | change).items() if v is not None}
        path = as_file(tmp_path / "wrong.npz", **arrays)
        with pytest.raises(ValueError, match=said) as caught:
            datasets.load("dsprites", path=path)
        assert "wrong.npz" in str(caught.value)

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize("compressed", [True, False])
    def test_a_file_cut_off_is_refused(self, tmp_path, share, compressed):
        path = as_file(tmp_path / "cut.npz", compressed, **dsprites_arrays())
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(ValueError, match=r"cut\.npz"):
            datasets.load("dsprites", path=path)

    def test_images_cut_off_inside_the_archive_are_refused(self, tmp_path):
        """The header promises 7 images, the bytes of 5 follow, and the archive itself is whole."""
        arrays = dsprites_arrays()
        import zipfile

        def npy(array):
            content = io.BytesIO()
            np.save(content, array)
            return content.getvalue()

        path = tmp_path / "short.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("imgs.npy", npy(arrays["imgs"])[: -2 * 4096])
            archive.writestr("latents_classes.npy", npy(arrays["latents_classes"]))
        with pytest.raises(ValueError, match=r"short\.npz"):
            datasets.load("dsprites", path=path)

    @pytest.mark.parametrize("content", [b"", b"not a zip at all", b"\x93NUMPY", b"PK\x03\x04"])
    def test_a_file_that_is_no_archive_is_refused(self, tmp_path, content):
        path = tmp_path / "other.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.npz"):
            datasets.load("dsprites", path=path)

    def test_a_plain_npy_file_is_refused(self, tmp_path):
        path = tmp_path / "array.npz"
        with path.open("wb") as file:
            np.save(file, dsprites_arrays()["imgs"])
        with pytest.raises(ValueError, match=r"array\.npz"):
            datasets.load("dsprites", path=path)

    def test_no_file_or_a_folder_is_refused(self, tmp_path):
        for path in (tmp_path / "nowhere.npz", tmp_path):
            with pytest.raises(ValueError, match=f"There is no file {path}.*sprites"):
                datasets.load("dsprites", path=path)

    @pytest.mark.parametrize("compressed", [True, False])
    def test_flipped_bytes_in_the_middle_of_the_images_are_refused(self, tmp_path, compressed):
        path = as_file(tmp_path / "flipped.npz", compressed, **dsprites_arrays())
        whole = path.read_bytes()
        with np.load(path) as file:
            size = file.zip.getinfo("imgs.npy").compress_size
        for place in np.linspace(200, size - 1, 60).astype(int).tolist():
            damaged = bytearray(whole)
            damaged[place] ^= 0x10
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"flipped\.npz"):
                datasets.load("dsprites", path=path)

    @pytest.mark.parametrize("compressed", [True, False])
    def test_one_flipped_bit_anywhere_is_refused_or_does_no_harm(self, tmp_path, compressed):
        path = as_file(tmp_path / "bit.npz", compressed, **dsprites_arrays(2))
        whole = path.read_bytes()
        expected = datasets.load("dsprites", path=path)
        ends = [*range(260), *range(len(whole) - 460, len(whole))]  # where the headers are

        @given(st.one_of(st.sampled_from(ends), st.integers(0, len(whole) - 1)), st.integers(0, 7))
        def check(place, bit):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                data = datasets.load("dsprites", path=path)
            except ValueError as error:
                assert "bit.npz" in str(error)  # noqa: PT017
            else:
                assert torch.equal(data.pixels, expected.pixels)
                assert torch.equal(data.values, expected.values)

        check()

    def test_an_archive_marked_as_encrypted_is_refused(self, tmp_path):
        path = as_file(tmp_path / "locked.npz", **dsprites_arrays())
        content = bytearray(path.read_bytes())
        for start in range(len(content)):  # the flag of every entry in the central directory
            if content[start : start + 4] == b"PK\x01\x02":
                content[start + 8] |= 1
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"locked\.npz"):
            datasets.load("dsprites", path=path)


class Payload:
    """Unpickling this makes a folder: proof that something was unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        import os

        return os.mkdir, (self.path,)


class TestPickle:
    def test_the_payload_works(self, tmp_path):
        pickle.loads(pickle.dumps(Payload(tmp_path / "fired")))
        assert (tmp_path / "fired").exists()

    @pytest.mark.parametrize("key", ["imgs", "latents_classes"])
    def test_pickled_arrays_are_refused_and_never_unpickled(self, tmp_path, key):
        payload = np.empty((7, 5), object)
        payload[:] = 0
        payload[3, 2] = Payload(tmp_path / "fired")
        path = as_file(tmp_path / "evil.npz", **dsprites_arrays() | {key: payload})
        with pytest.raises(ValueError, match=r"evil\.npz"):
            datasets.load("dsprites", path=path)
        assert not (tmp_path / "fired").exists()

    def test_a_bare_pickle_is_refused_and_never_unpickled(self, tmp_path):
        path = tmp_path / "evil.npz"
        path.write_bytes(pickle.dumps(Payload(tmp_path / "fired")))
        with pytest.raises(ValueError, match=r"evil\.npz"):
            datasets.load("dsprites", path=path)
        assert not (tmp_path / "fired").exists()

    def test_the_pickled_metadata_of_the_real_file_is_never_touched(self, tmp_path):
        metadata = np.array(Payload(tmp_path / "fired"), dtype=object)
        path = as_file(tmp_path / "real.npz", metadata=metadata, **dsprites_arrays())
        assert len(datasets.load("dsprites", path=path)) == 7
        assert not (tmp_path / "fired").exists()


class TestLoad:
    def test_an_unknown_name_is_refused_with_the_known_ones(self):
        with pytest.raises(ValueError, match=r"no image set 'cats'.*small_sprites.*dsprites"):
            datasets.load("cats")

    @pytest.mark.parametrize("name", sorted(set(datasets.NAMES) - {"dsprites"}))
    def test_a_path_for_a_drawn_set_is_refused(self, name):
        with pytest.raises(ValueError, match=rf"'{name}' is drawn.*some\.npz"):
            datasets.load(name, path="some.npz")

    def test_every_name_is_listed(self):
        assert set(datasets.NAMES) == {
            "small_sprites",
            "small_ellipses",
            "sprites",
            "fruits",
            "small_fruits",
            "faces",
            "dsprites",
        }


class TestDownload:
    """The network is played by a function in the place of pooch.retrieve."""

    @pytest.fixture
    def network(self, monkeypatch, data_folder):
        calls = []

        def retrieve(url, known_hash, fname, path, **options):
            calls.append(url)
            Path(path).mkdir(parents=True, exist_ok=True)
            as_file(Path(path) / fname, **dsprites_arrays())
            return str(Path(path) / fname)

        monkeypatch.setattr(pooch, "retrieve", retrieve)
        return calls

    @staticmethod
    def files(data_folder):
        return sorted(path.name for path in (data_folder / "downloads").iterdir())

    def test_the_file_is_fetched_once_and_its_hash_is_kept(self, network, data_folder):
        first = datasets.load("dsprites")
        assert network == [dsprites_file.URL]
        name = dsprites_file.FILE
        assert self.files(data_folder) == [name, f"{name}.sha256"]
        again = datasets.load("dsprites")
        assert len(network) == 1
        assert torch.equal(again.pixels, first.pixels)
        assert np.array_equal(first.images(torch.arange(7))[:, 0], dsprites_arrays()["imgs"])

    def test_a_file_that_changed_later_is_refused(self, network, data_folder):
        datasets.load("dsprites")
        path = data_folder / "downloads" / dsprites_file.FILE
        as_file(path, **dsprites_arrays(seed=2))  # a good file, but not the one that was checked
        with pytest.raises(ValueError, match="has changed"):
            datasets.load("dsprites")
        path.unlink()
        assert len(datasets.load("dsprites")) == 7
        assert len(network) == 2

    def test_a_bad_download_is_refused_and_not_marked_as_checked(
        self, monkeypatch, network, data_folder
    ):
        good = pooch.retrieve

        def retrieve(url, known_hash, fname, path, **options):
            Path(path).mkdir(parents=True, exist_ok=True)
            (Path(path) / fname).write_bytes(b"<html>404</html>")
            return str(Path(path) / fname)

        monkeypatch.setattr(pooch, "retrieve", retrieve)
        with pytest.raises(ValueError, match="cannot be used as dSprites"):
            datasets.load("dsprites")
        assert not list((data_folder / "downloads").glob("*.sha256"))
        monkeypatch.setattr(pooch, "retrieve", good)
        assert len(datasets.load("dsprites")) == 7

    def test_without_a_network_the_remedy_is_named(self, monkeypatch, data_folder):
        def retrieve(*args, **options):
            raise OSError("Name or service not known")

        monkeypatch.setattr(pooch, "retrieve", retrieve)
        with pytest.raises(ValueError, match=r'not known.*path=.*load\("sprites"\)') as caught:
            datasets.load("dsprites")
        assert dsprites_file.URL in str(caught.value)

    def test_nothing_else_asks_the_network(self, network, tmp_path, small):
        datasets.load("small_sprites")
        datasets.load("dsprites", path=as_file(tmp_path / "own.npz", **dsprites_arrays()))
        assert network == []


def test_small_ellipses_are_averages_of_sprites():
    data = datasets.load("small_ellipses")
    assert data.factors.names == ("scale", "x", "y")
    assert (len(data), data.shape) == (6 * 16 * 8, (1, 16, 16))
    scale, x, y = data.classes(torch.tensor([433]))[0].tolist()
    sprite = sprites.render(torch.tensor([[1, scale, 0, 2 * x, 8 + 2 * y]]))[0].float()
    wanted = torch.tensor(
        [
            [float(sprite[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean()) for j in range(16)]
            for i in range(16)
        ]
    )
    torch.testing.assert_close(
        data.images(torch.tensor([433]))[0, 0], wanted, atol=0.51 / 255, rtol=0
    )
    assert len(data.pixels.flatten(1).unique(dim=0)) == len(data)
    assert ((data.pixels > 0) & (data.pixels < 255)).any()  # grey


def test_damaged_files_leave_no_open_handles(tmp_path):
    """An open handle is a ResourceWarning, and on Windows a file that cannot be deleted."""
    import gc

    path = tmp_path / "other.npz"
    path.write_bytes(b"PK\x03\x04 and then nothing of use")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match=r"other\.npz"):
            datasets.load("dsprites", path=path)
        gc.collect()
    assert not [warning for warning in caught if issubclass(warning.category, ResourceWarning)]


IMAGES = torch.randint(256, (6, 4, 8), generator=torch.Generator().manual_seed(4)).byte()
COLOUR = torch.randint(256, (6, 3, 4, 8), generator=torch.Generator().manual_seed(5)).byte()
BITS = IMAGES > 100
FORMS = {
    "numpy": (IMAGES.numpy(), IMAGES),
    "torch": (IMAGES, IMAGES),
    "one channel first": (IMAGES[:, None], IMAGES),
    "one channel last": (IMAGES[..., None], IMAGES),
    "int64": (IMAGES.long(), IMAGES),
    "floats to 255": (IMAGES.double().numpy(), IMAGES),
    "floats to 1": (IMAGES.float() / 255, IMAGES),
    "halves to 1": ((IMAGES.double() / 255).to(torch.bfloat16), IMAGES),
    "floats from -1": (IMAGES.float() / 127.5 - 1, IMAGES),
    "with a gradient": ((IMAGES.float() / 255).requires_grad_(), IMAGES),
    "bool": (BITS, 255 * BITS.byte()),
    "0 and 1": (BITS.byte().numpy(), 255 * BITS.byte()),
    "floats 0 and 1": (BITS.double().numpy(), 255 * BITS.byte()),
    "a list": (IMAGES.tolist(), IMAGES),
    "turned": (IMAGES.numpy().transpose(0, 2, 1)[:, ::-1], IMAGES.transpose(1, 2).flip(1)),
    "colour first": (COLOUR, COLOUR),
    "colour last": (COLOUR.permute(0, 2, 3, 1).numpy(), COLOUR),
}


class TestOwn:
    @pytest.mark.parametrize("form", FORMS)
    def test_every_usual_form_gives_the_same_pixels(self, form, capsys):
        given, right = FORMS[form]
        data = datasets.own(given)
        off = 1 if "halves" in form else 0
        right = right.reshape(len(right), -1, *right.shape[-2:])
        assert data.pixels.shape == right.shape
        assert (data.pixels.int() - right.int()).abs().max() <= off
        assert data.shape == tuple(right.shape[1:])
        assert len(capsys.readouterr().out.splitlines()) == 1

    def test_it_says_what_it_did(self, capsys):
        datasets.own(COLOUR.permute(0, 2, 3, 1) / 255, list("aabbab"), "mine")
        said = capsys.readouterr().out
        for part in ("mine: 6 images of (3, 4, 8)", "channels last (3)", "1 is white", "label: 2"):
            assert part in said

    def test_a_scale_of_its_own_is_asked_for_and_taken(self):
        sixteen = IMAGES.double() / 255 * 16
        with pytest.raises(ValueError, match="say which number is white: white=16, or white=255"):
            datasets.own(sixteen)
        assert torch.equal(datasets.own(sixteen, white=16).pixels[:, 0], IMAGES)

    @pytest.mark.parametrize(
        ("images", "said"),
        [
            (torch.zeros(6, 4), r"shape \(6, 4\)"),
            (torch.zeros(6, 4, 8, 4), "alpha channel"),
            (torch.zeros(6, 4, 8, 2), r"1 or 3 channels"),
            (torch.zeros(0, 4, 8), "nothing in it"),
            (torch.zeros(1, 4, 8), "at least 2"),
            (torch.full((6, 4, 8), math.nan), "NaN"),
            (torch.full((6, 4, 8), math.inf), "infinite"),
            (torch.full((6, 4, 8), 65535), "white is 255"),
            (torch.full((6, 4, 8), -3), "black is 0"),
            (np.full((6, 4, 8), "x"), "expected numbers"),
            ([[1, 2], [3]], "."),
            (np.zeros((6, 4, 8), complex), "real numbers"),
        ],
    )
    def test_what_is_no_image_is_refused(self, images, said):
        with pytest.raises(ValueError, match=said):
            datasets.own(images)

    @pytest.mark.parametrize(
        ("labels", "names", "right"),
        [
            ([3, 3, 9, 9, 3, 9], ("label",), [[0], [0], [1], [1], [0], [1]]),
            (np.array(list("ccbacb")), ("label",), [[2], [2], [1], [0], [2], [1]]),
            (torch.tensor([True, False] * 3), ("label",), [[1], [0]] * 3),
            (
                [[5, 0.5], [5, 1.5], [6, 0.5]] * 2,
                ("label 0", "label 1"),
                [[0, 0], [0, 1], [1, 0]] * 2,
            ),
            ({"on": [0, 1] * 3, "who": ["b", "a", "a"] * 2}, ("on", "who"), None),
        ],
    )
    def test_labels_become_factors(self, labels, names, right):
        data = datasets.own(IMAGES, labels)
        assert data.factors.names == names
        if right is not None:
            assert data.classes(torch.arange(6)).tolist() == right

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            ([1, 2, 1], r"shape \(3,\), and there are 6 images"),
            ([1] * 6, "1 different values"),
            ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "6 different values .*bins"),
            ([1, 2, math.nan] * 2, "NaN"),
            (np.zeros((6, 2, 2)), r"shape \(6, 2, 2\)"),
            ({}, "empty"),
        ],
    )
    def test_labels_that_cannot_be_factors_are_refused(self, labels, said):
        with pytest.raises(ValueError, match=said):
            datasets.own(IMAGES, labels)


class TestImageSetIsChecked:
    SPACE = FactorSpace(("kind", "side"), (3, 2))

    @pytest.mark.parametrize(
        ("pixels", "values", "said"),
        [
            (COLOUR.float(), None, "float32; expected a torch tensor of uint8.*datasets.own"),
            (COLOUR.numpy(), None, "uint8; expected a torch tensor"),
            (COLOUR.permute(0, 2, 3, 1), None, r"shape \(6, 4, 8, 3\)"),
            (COLOUR[:, 0], None, r"shape \(6, 4, 8\)"),
            (COLOUR[:0], None, "no images"),
            (COLOUR % 2, None, "largest pixel is 1"),
            (COLOUR[:5], None, "5 images and 6 combinations"),
            (COLOUR, torch.zeros(4, 2).long(), "6 images and 4 rows"),
            (COLOUR, torch.full((6, 2), 3), "3"),
            (COLOUR, torch.zeros(6, 2), "integer"),
        ],
    )
    def test_parts_that_do_not_fit_are_refused(self, pixels, values, said):
        with pytest.raises(ValueError, match=said):
            datasets.ImageSet("odd", self.SPACE, (3, 4, 8), pixels, values)

    def test_all_black_and_packed_ones_are_good(self):
        black = torch.zeros(6, 3, 4, 8, dtype=torch.uint8)
        assert (
            not datasets.ImageSet("black", self.SPACE, (3, 4, 8), black)
            .images(torch.arange(6))
            .any()
        )
        ones = torch.ones(6, 3, 4, 1, dtype=torch.uint8)
        packed = datasets.ImageSet("packed", self.SPACE, (3, 4, 8), ones)
        assert packed.images(torch.tensor([2])).sum() == 12


def test_small_sets_are_drawn_once():
    assert datasets.load("small_fruits").pixels is datasets.load("small_fruits").pixels
