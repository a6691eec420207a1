"""Weights on disk: what comes back is what was written, or an error."""

import json
import pickle
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as save_tensors

from dvae_helpers import files as files_module
from dvae_helpers import zoo
from dvae_helpers.models import VAE


def make(seed=0, **settings):
    return VAE(
        **{"image_shape": (1, 4, 6), "latents": 3, "architecture": "dense", "hidden": 7} | settings,
        seed=seed,
    )


def files(folder):
    return sorted(path.name for path in (folder / "zoo").iterdir())


def test_a_model_comes_back_within_float16(data_folder):
    model = make(seed=4, likelihood="gaussian", noise=0.2)
    path = zoo.save(model, "first", {"steps": 300, "seed": 4})
    assert path == data_folder / "zoo" / "first.safetensors"
    loaded = zoo.load("first")
    assert not loaded.training
    assert loaded.config == model.config
    assert (loaded.noise, loaded.likelihood, loaded.image_shape) == (0.2, "gaussian", (1, 4, 6))
    for key, value in model.state_dict().items():
        back = loaded.state_dict()[key]
        assert back.dtype == torch.float32
        assert torch.equal(back, value.half().float())
        torch.testing.assert_close(back, value, rtol=2**-11, atol=1e-7)
    assert zoo.about("first") == {"steps": 300, "seed": 4}
    assert files(data_folder) == ["first.safetensors"]


def test_a_convolutional_model_comes_back_and_is_small(data_folder):
    model = VAE((1, 64, 64), latents=10, seed=1).to(memory_format=torch.channels_last)
    path = zoo.save(model, "conv")
    assert path.stat().st_size < 1.05e6
    batch = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, got = model.encode(batch), zoo.load("conv").encode(batch)
    torch.testing.assert_close(got, expected, rtol=0.01, atol=0.001)
    assert zoo.about("conv") == {}


def test_saving_leaves_the_model_as_it_is(data_folder):
    model = make().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    zoo.save(model, "kept")
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(v.dtype == torch.float32 for v in model.state_dict().values())


def test_names_are_those_that_are_there(data_folder):
    assert zoo.names() == []
    for name in ("beta", "alpha-2", "alpha_10"):
        zoo.save(make(), name)
    (data_folder / "zoo" / "README.md").write_text("not a model")
    assert zoo.names() == ["alpha-2", "alpha_10", "beta"]


def test_a_name_is_overwritten_by_the_later_model(data_folder):
    zoo.save(make(seed=1), "same")
    zoo.save(make(seed=2), "same", {"seed": 2})
    weight = "encoder.1.weight"
    assert torch.equal(
        zoo.load("same").state_dict()[weight], make(seed=2).state_dict()[weight].half().float()
    )
    assert zoo.about("same") == {"seed": 2}


@pytest.mark.parametrize("name", ["../x", "", ".", "..", "a/b", "/x", ".hidden", "a/../b"])
def test_names_that_are_paths_are_refused(data_folder, name):
    for call in (zoo.load, zoo.about, lambda n: zoo.save(make(), n)):
        with pytest.raises(ValueError, match="not a model's name"):
            call(name)
    assert not data_folder.exists()


def test_a_missing_model_is_refused_with_what_there_is_and_what_to_do(data_folder):
    zoo.save(make(), "present")
    for call in (zoo.load, zoo.about):
        with pytest.raises(ValueError, match=r"absent\.safetensors") as caught:
            call("absent")
        assert "present" in str(caught.value) or "train" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e6])
def test_weights_that_float16_cannot_hold_are_refused(data_folder, value):
    model = make()
    with torch.no_grad():
        model.decoder[0].weight[2, 1] = value
    with pytest.raises(ValueError, match=r"decoder\.0\.weight.*not finite"):
        zoo.save(model, "broken")
    assert zoo.names() == []


def test_settings_that_are_not_json_leave_no_file(data_folder):
    with pytest.raises(ValueError, match="cannot be kept in a file"):
        zoo.save(make(), "odd", {"thing": object()})
    assert zoo.names() == []


class TestDamage:
    @pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
    def test_a_file_cut_off_is_refused(self, data_folder, share):
        path = zoo.save(make(), "cut")
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(zoo.DamagedFile, match=r"cut\.safetensors"):
            zoo.load("cut")

    def test_bytes_added_are_refused(self, data_folder):
        path = zoo.save(make(), "long")
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(zoo.DamagedFile, match=r"long\.safetensors"):
            zoo.load("long")

    def test_one_flipped_bit_anywhere_is_refused(self, data_folder):
        generator = torch.Generator().manual_seed(3)
        tensors = {
            "b": torch.randn(3, 2, generator=generator).half(),
            "a": torch.tensor(3.0),
            "c": torch.arange(4, dtype=torch.uint8),
        }
        path = data_folder / "small.safetensors"
        zoo.write(path, tensors, {"config": {"latents": 3}, "about": {}})
        whole = path.read_bytes()

        @given(st.integers(0, len(whole) - 1), st.integers(0, 7))
        def check(place, bit):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(zoo.DamagedFile, match=r"small\.safetensors"):
                zoo.read(path)

        check()

    def test_swapped_tensors_are_refused(self, data_folder):
        """Two tensors of the same bytes in all, with another name or shape."""
        path = data_folder / "small.safetensors"
        first, second = torch.arange(6.0).reshape(2, 3), torch.ones(2, 3)
        zoo.write(path, {"a": first, "b": second}, {})
        tensors, _ = zoo.read(path)
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        for other in (
            {"a": tensors["b"], "b": tensors["a"]},
            {"a": tensors["a"].reshape(3, 2), "b": tensors["b"]},
            {"a": tensors["a"].view(torch.int32), "b": tensors["b"]},
            {"a": tensors["a"]},
        ):
            path.write_bytes(save_tensors(other, metadata=header))
            with pytest.raises(zoo.DamagedFile, match="has changed"):
                zoo.read(path)

    def test_changed_notes_are_refused(self, data_folder):
        path = zoo.save(make(), "notes", {"seed": 1})
        content = path.read_bytes()
        changed = content.replace(rb"\"seed\": 1", rb"\"seed\": 2")
        assert changed != content
        path.write_bytes(changed)
        with pytest.raises(zoo.DamagedFile, match="has changed"):
            zoo.about("notes")

    def test_a_pickle_is_refused_and_never_unpickled(self, data_folder):
        class Payload:
            def __reduce__(self):
                import os

                return os.mkdir, (str(data_folder / "fired"),)

        zoo.folder().mkdir(parents=True)
        path = zoo.folder() / "evil.safetensors"
        path.write_bytes(pickle.dumps(Payload()))
        with pytest.raises(zoo.DamagedFile, match=r"evil\.safetensors"):
            zoo.load("evil")
        torch.save({"weights": Payload()}, path)
        with pytest.raises(zoo.DamagedFile, match=r"evil\.safetensors"):
            zoo.load("evil")
        assert not (data_folder / "fired").exists()

    def test_foreign_safetensors_are_refused(self, data_folder):
        zoo.folder().mkdir(parents=True)
        path = zoo.folder() / "foreign.safetensors"
        for metadata in (None, {"notes": "{}"}, {"sha256": "0" * 64}):
            path.write_bytes(save_tensors({"a": torch.zeros(2)}, metadata=metadata))
            with pytest.raises(zoo.DamagedFile, match="no hash"):
                zoo.load("foreign")

    @pytest.mark.parametrize(
        "notes",
        [
            {},
            {"config": {"latents": 3, "depth": 9}},
            {"config": make(latents=4).config},
            {"config": None},
            {"config": make(architecture="conv", image_shape=(1, 8, 8)).config},
        ],
    )
    def test_a_whole_file_that_is_not_such_a_model_is_refused(self, data_folder, notes):
        zoo.write(zoo.folder() / "other.safetensors", make().state_dict(), notes)
        with pytest.raises(zoo.DamagedFile, match=r"other\.safetensors"):
            zoo.load("other")

    def test_a_folder_in_the_place_of_a_model_is_refused(self, data_folder):
        (data_folder / "zoo" / "dir.safetensors").mkdir(parents=True)
        with pytest.raises(ValueError, match=r"dir\.safetensors"):
            zoo.load("dir")


class TestWriting:
    @pytest.mark.parametrize("step", ["replace", "fsync"])
    def test_a_failed_write_keeps_the_old_model_and_leaves_nothing_else(
        self, data_folder, monkeypatch, step
    ):
        zoo.save(make(seed=1), "model", {"seed": 1})

        def fail(*args):
            raise OSError("No space left on device")

        monkeypatch.setattr(files_module.os, step, fail)
        with pytest.raises(OSError, match="No space"):
            zoo.save(make(seed=2), "model", {"seed": 2})
        with pytest.raises(OSError, match="No space"):
            zoo.save(make(seed=2), "new", {"seed": 2})
        monkeypatch.undo()
        monkeypatch.setenv("DVAE_DATA", str(data_folder))
        assert files(data_folder) == ["model.safetensors"]
        assert zoo.about("model") == {"seed": 1}

    def test_writers_at_the_same_time_leave_one_readable_file(self, data_folder):
        """Two writers and a reader, which never sees anything but a whole file."""
        zoo.save(make(), "shared", {"writer": -1})
        start = threading.Barrier(3)
        problems = []

        def work(call):
            start.wait()
            try:
                for turn in range(15):
                    call(turn)
            except Exception as error:
                problems.append(error)

        def writer(number):
            model = make(seed=number)
            return lambda turn: zoo.save(model, "shared", {"writer": number, "turn": turn})

        calls = [writer(0), writer(1), lambda turn: zoo.load("shared")]
        threads = [threading.Thread(target=work, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        assert files(data_folder) == ["shared.safetensors"]
        last = zoo.about("shared")
        assert last["turn"] == 14
        weight = "decoder.0.weight"
        assert torch.equal(
            zoo.load("shared").state_dict()[weight],
            make(seed=last["writer"]).state_dict()[weight].half().float(),
        )


def test_write_and_read_keep_every_kind_of_tensor(tmp_path):
    generator = torch.Generator().manual_seed(6)
    tensors = {
        "step": torch.tensor(7.0),
        "bytes": torch.randint(256, (5,), generator=generator, dtype=torch.uint8),
        "double": torch.randn(2, 3, generator=generator, dtype=torch.float64),
        "turned": torch.randn(2, 3, generator=generator).T,
        "last": torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last),
    }
    notes = {"text": "ß \" ' \n", "list": [1, None, 2.5], "tiny": 1e-300}
    zoo.write(tmp_path / "kinds", tensors, notes)
    back, said = zoo.read(tmp_path / "kinds")
    assert said == notes
    assert back.keys() == tensors.keys()
    for key, value in tensors.items():
        assert back[key].dtype == value.dtype
        assert torch.equal(back[key], value)
