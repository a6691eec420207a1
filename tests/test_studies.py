"""Each program that makes shipped data, in miniature: made, stopped, gone on with, refused."""

import csv
import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch

from dvae_helpers import datasets, referee, sweep, zoo
from dvae_helpers.studies import (
    adversarial,
    fruit_pairs,
    measure,
    new_combinations,
    pressure,
    referee_training,
    shipped,
    store,
)
from dvae_helpers.studies.__main__ import STUDIES, main


def forbid(*args, **settings):
    raise AssertionError("a finished run was made again")


class TestStore:
    SETTINGS = {"seed": 3, "steps": 7}  # noqa: RUF012

    def test_a_finished_run_is_not_made_again(self, tmp_path):
        path = tmp_path / "run.safetensors"
        made = store.kept(path, self.SETTINGS, lambda: ({"z": torch.arange(4.0)}, {"mig": 0.5}))
        again = store.kept(path, self.SETTINGS, forbid)
        assert again[1]["mig"] == made[1]["mig"] == 0.5
        assert torch.equal(again[0]["z"], torch.arange(4.0))

    def test_a_run_with_other_settings_is_refused(self, tmp_path):
        path = tmp_path / "run.safetensors"
        store.kept(path, self.SETTINGS, lambda: ({"z": torch.zeros(1)}, {}))
        with pytest.raises(ValueError, match="other settings"):
            store.kept(path, self.SETTINGS | {"steps": 8}, forbid)

    def test_a_stopped_run_leaves_no_file(self, tmp_path):
        path = tmp_path / "run.safetensors"

        def stopped():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.kept(path, self.SETTINGS, stopped)
        assert not path.exists()

    def test_rows_have_five_decimals(self, tmp_path):
        store.write_rows(tmp_path / "t.csv", [{"name": "a", "mig": 1 / 3, "seed": 2}])
        assert (tmp_path / "t.csv").read_text() == "name,mig,seed\na,0.33333,2\n"


class TestPressure:
    @pytest.fixture
    def grids(self):
        short = functools.partial(dataclasses.replace, steps=6, batch_size=8)

        def some():
            return [short(setting) for setting in pressure.GRIDS["small_ellipses"]()[::3]]

        return {"small_ellipses": some}

    def test_a_grid_is_trained_measured_and_gone_on_with(self, grids, tmp_path, monkeypatch):
        pressure.ship(tmp_path / "runs", 1, tmp_path, grids)
        first = sweep.read_table(tmp_path / "pressure_small_ellipses.csv")
        monkeypatch.setattr(pressure.training, "fit_many", forbid)
        monkeypatch.setattr(pressure.sweep, "scores", forbid)
        for weights in (tmp_path / "runs").glob("*.safetensors"):
            weights.unlink()  # what was measured is enough for the table
        pressure.ship(tmp_path / "runs", 1, tmp_path, grids)
        second = sweep.read_table(tmp_path / "pressure_small_ellipses.csv")
        assert {name: list(column) for name, column in first.items()} == {
            name: list(column) for name, column in second.items()
        }
        curves = sweep.read_table(tmp_path / "pressure_small_ellipses_curves.csv")
        assert set(curves["step"]) == {1, 2, 3, 4, 5, 6}
        assert np.isfinite(curves["distortion"]).all()

    @pytest.mark.parametrize("device", ["cpu", "cpu:0"])
    def test_runs_together_are_what_each_would_be_alone(self, grids, tmp_path, device):
        """On any device but "cpu" settings with other objectives are in the group too."""
        settings = grids["small_ellipses"]()
        pressure.train(list(itertools.product(settings, [0, 1])), tmp_path / "both", device)
        pressure.train([(settings[0], 1)], tmp_path / "alone", device)
        both, alone = (
            zoo.read(settings[0].path(tmp_path / folder, 1))[0] for folder in ("both", "alone")
        )
        for name, weight in both.items():
            torch.testing.assert_close(weight.float(), alone[name].float(), atol=2e-3, rtol=0)

    def test_a_gpu_takes_all_that_have_steps_and_images_in_common(self, tmp_path, monkeypatch):
        groups = []
        monkeypatch.setattr(
            pressure, "_train_together", lambda runs, folder, device: groups.append(len(runs))
        )
        runs = list(itertools.product(pressure.GRIDS["small_sprites"](), range(12)))
        pressure.train(runs, tmp_path, "cuda")
        assert groups == [pressure.TOGETHER, len(runs) - pressure.TOGETHER]
        groups.clear()
        pressure.train(runs, tmp_path)
        assert sum(groups) == len(runs)
        assert max(groups) == pressure.STACK

    def test_a_run_of_another_length_is_not_taken_for_this_one(self, grids, tmp_path):
        settings = grids["small_ellipses"]()
        pressure.train([(settings[0], 0)], tmp_path)
        longer = dataclasses.replace(settings[0], steps=9)
        pressure.train([(longer, 0)], tmp_path)  # its file is there
        with pytest.raises(ValueError, match="other settings"):
            pressure.measured(longer, 0, tmp_path)

    def test_every_setting_has_a_file_of_its_own(self, tmp_path):
        settings = [setting for grid in pressure.GRIDS.values() for setting in grid()]
        assert len({setting.path(tmp_path, 0) for setting in settings}) == len(settings) > 15

    def test_factor_vae_is_among_them(self, tmp_path):
        factor = [s for s in pressure.GRIDS["small_sprites"]() if s.objective == "factor_vae"]
        setting = dataclasses.replace(factor[0], steps=3, batch_size=8, hidden=8)
        pressure.train([(setting, 0)], tmp_path)
        assert zoo.read(setting.path(tmp_path, 0))[1]["settings"]["weight"] == setting.weight

    def test_models_of_all_sprites_go_to_the_zoo_once(self, small, data_folder, monkeypatch):
        """In miniature: the small sprites stand for all of them."""

        def mini():
            wanted = pressure._all_sprites()[::2]
            return [
                dataclasses.replace(s, data="small_sprites", hidden=8, steps=3, batch_size=8)
                for s in wanted
            ]

        monkeypatch.setitem(pressure.SPRITES, "sprites", mini)
        zoo.save(mini()[0].model(0, small), "sprites_beta_vae_1_seed0", {"mine": True})
        pressure.ship_sprites(data_folder / "runs", 1)
        assert zoo.names() == ["sprites_beta_tcvae_4_seed0", "sprites_beta_vae_1_seed0"]
        assert zoo.about("sprites_beta_vae_1_seed0") == {"mine": True}
        made = zoo.about("sprites_beta_tcvae_4_seed0")
        assert (made["objective"], made["weight"], made["steps"]) == ("beta_tcvae", 4.0, 3)
        assert "mig_exact" in made
        table = sweep.read_table(data_folder / "sweeps" / "pressure_sprites.csv")
        assert list(table["objective"]) == ["beta_vae", "beta_tcvae"]


class TestFruitPairs:
    def test_every_cell_is_made_once_and_judged(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fruit_pairs, "STEPS", 3)
        monkeypatch.setattr(fruit_pairs, "DESIGNS", ("hard",))
        fruit_pairs.ship(tmp_path / "runs", 1, tmp_path)
        monkeypatch.setattr(fruit_pairs, "run", forbid)
        fruit_pairs.ship(tmp_path / "runs", 1, tmp_path)
        table = sweep.read_table(tmp_path / "fruit_pairs.csv")
        told = np.char.find(table["help"].astype(str), "told which") >= 0
        assert set(table["ask"][told]) == {
            "set latents",
            "add effects",
            "reconstruct",
            "set blocks",
        }
        assert "set blocks" not in table["ask"][~told]
        assert set(table["help"]) == set(fruit_pairs.HELP)
        with np.load(tmp_path / "fruit_pairs.npz", allow_pickle=False) as file:
            assert {file[key].shape for key in file.files} == {(1, 3, 24, 24)}

    def test_pairs_and_decoder_are_what_the_cell_says(self, monkeypatch):
        monkeypatch.setattr(fruit_pairs, "STEPS", 2)
        seen = {}
        real = fruit_pairs.training.fit

        def fit(model, data, objective, **settings):
            seen.update(settings, architecture=model.config["architecture"])
            return real(model, data, objective, **settings)

        monkeypatch.setattr(fruit_pairs.training, "fit", fit)
        fruit_pairs.train("easy", "none", "ordinary", 0)
        assert (seen["pairs"], seen["architecture"], seen["steps"]) == (None, "dense", 4)
        fruit_pairs.train("easy", "one factor, told which", "layered", 0)
        assert (seen["pairs"].latents, seen["architecture"]) == ((4, 1, 3), "layered")
        fruit_pairs.train("easy", "one factor, not told", "layered", 0)
        assert seen["pairs"].latents is None


class TestNewCombinations:
    def test_it_is_made_once_with_what_the_notebook_reads(self, tmp_path, monkeypatch):
        shutil_copy = referee.path().read_bytes()
        monkeypatch.setenv("DVAE_DATA", str(tmp_path / "data"))
        referee.path().parent.mkdir(parents=True)
        referee.path().write_bytes(shutil_copy)
        monkeypatch.setattr(new_combinations, "STEPS", 3)
        monkeypatch.setattr(new_combinations, "DESIGNS", ("medium",))
        new_combinations.ship(tmp_path / "runs", 1)
        monkeypatch.setattr(new_combinations, "train", forbid)
        new_combinations.ship(tmp_path / "runs", 1)
        found = sweep.read_table(tmp_path / "data" / "sweeps" / "new_combinations.csv")
        assert len(found["named"]) == 2 * (3 * len(new_combinations.DRAWS) + 1)
        assert set(zoo.names()) == {
            new_combinations.zoo_name(name) for name in new_combinations.BETAS
        }


class TestAdversarial:
    def test_it_is_made_once_with_a_history(self, tmp_path, monkeypatch):
        monkeypatch.setattr(adversarial, "STEPS", 50)
        monkeypatch.setattr(adversarial, "WATCHED", 50)
        monkeypatch.setattr(adversarial, "FRESH_STEPS", 4)
        monkeypatch.setattr(adversarial, "RUNS", (("beta_vae", 1.0), ("factor_vae", 31.0)))
        adversarial.ship(tmp_path / "runs", 1, tmp_path)
        monkeypatch.setattr(adversarial, "run", forbid)
        adversarial.ship(tmp_path / "runs", 1, tmp_path)
        table = sweep.read_table(tmp_path / "adversarial.csv")
        shipped = sweep.read_table(datasets.data_folder() / "sweeps" / "adversarial.csv")
        assert set(table) == set(shipped)
        history = sweep.read_table(tmp_path / "adversarial_history.csv")
        assert history["step"].tolist() == [50]


def test_the_referee_is_trained_and_saved(tmp_path, monkeypatch):
    monkeypatch.setenv("DVAE_DATA", str(tmp_path))
    referee_training.ship(tmp_path, steps=2)
    trained = referee.load()
    said = referee.classify(trained, torch.rand(5, 3, 24, 24), (4, 6, 5, 3, 3))
    assert said.shape == (5, 5)
    assert zoo.read(referee.path())[1]["test images"] == 216


class TestCommand:
    def test_a_name_that_is_no_study(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.argv", ["studies", "nothing"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert all(name in said for name in STUDIES)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["fruit_pairs", "--seeds", "0"], "--seeds is 0"),
            (["fruit_pairs", "--seeds", "many"], "invalid int value: 'many'"),
            (["fruit_pairs", "--out", ""], "--out is empty"),
            (["fruit_pairs", "--out", __file__], "no folder"),
            (["fruit_pairs", "--colour", "red"], "unrecognized arguments: --colour red"),
            ([], "required: name"),
        ],
    )
    def test_wrong_words_are_one_line_before_anything_begins(
        self, monkeypatch, capsys, words, said
    ):
        monkeypatch.setitem(STUDIES, "fruit_pairs", forbid)
        monkeypatch.setattr("sys.argv", ["studies", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("Error: ")
        assert said in error
        assert error.count("\n") == 1

    def test_an_error_is_one_line(self, monkeypatch, capsys, tmp_path):
        def broken(folder, seeds):
            raise ValueError("The folder holds another run.")

        monkeypatch.setitem(STUDIES, "fruit_pairs", broken)
        monkeypatch.setattr("sys.argv", ["studies", "fruit_pairs", "--out", str(tmp_path)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert capsys.readouterr().err == "Error: The folder holds another run.\n"

    @pytest.mark.parametrize("device", ["banana", "cuda:9"])
    def test_a_device_that_is_not_there(self, monkeypatch, capsys, tmp_path, device):
        monkeypatch.setattr("sys.argv", ["studies", "sprites", "--device", device])
        monkeypatch.setitem(STUDIES, "sprites", forbid)
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith(f"Error: There is no device {device!r}")
        assert said.count("\n") == 1

    def test_a_device_goes_to_a_study_that_knows_it_and_no_other(self, monkeypatch, capsys):
        monkeypatch.setattr("dvae_helpers.training.choose_device", lambda word: word)
        asked = []
        monkeypatch.setitem(
            STUDIES, "sprites", lambda folder, seeds, device="cpu": asked.append(device)
        )
        monkeypatch.setattr("sys.argv", ["studies", "sprites", "--device", "cuda"])
        main()
        assert asked == ["cuda"]
        monkeypatch.setattr("sys.argv", ["studies", "faces", "--device", "cuda"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert "leave out --device cuda" in capsys.readouterr().err


class TestShipped:
    def test_a_model_that_copies_its_factors(self, monkeypatch):
        """Two latents are two factors, one is noise: shares and MIG say so."""
        data = datasets.load("small_sprites")
        model = zoo.load("small_beta_vae_4").eval()
        classes = data.classes(torch.arange(len(data))).float()
        generator = torch.Generator().manual_seed(0)
        mean = torch.randn(len(data), model.latents, generator=generator)
        mean[:, 1], mean[:, 4] = classes[:, -1] / 3, -classes[:, -2] / 3
        log_var = torch.full_like(mean, -6.0)

        def posteriors(model, data, index):
            return mean[index], log_var[index]

        monkeypatch.setattr(measure, "posteriors", posteriors)
        row = measure.measure(model, data)
        first, second = data.factors.names[-1], data.factors.names[-2]
        assert (row["its_latent"][first], round(row["best_share"][first], 2)) == (1, 1.0)
        assert (row["its_latent"][second], round(row["best_share"][second], 2)) == (4, 1.0)
        assert row["images"] == len(data)
        assert 0.2 < row["mig_exact"] < 0.7
        few = measure.measure(model, data, most=700)
        assert few["images"] == 700
        assert abs(few["mig_exact"] - row["mig_exact"]) < 0.1

    def test_the_sheet_moves_one_latent_a_row(self):
        data = datasets.load("small_sprites")
        model = zoo.load("small_beta_vae_4").eval()
        picture = shipped.sheet(model, data)
        assert picture.shape == (1, model.latents * 32, shipped.COLUMNS * 32)
        assert picture.min() >= 0
        assert picture.max() <= 1
        rows = picture.reshape(model.latents, 32, shipped.COLUMNS, 32).var(2).sum((1, 2))
        assert rows.max() > 100 * rows.min()  # used and unused latents

    def test_every_model_with_images_is_in_the_table(self, monkeypatch, tmp_path):
        names = ["small_beta_vae_4", "faces_gaussian_beta_tcvae_6_seed0", "fruits_vae_1"]
        monkeypatch.setattr(shipped.zoo, "names", lambda: names)
        shipped.ship(tmp_path, target=tmp_path)
        rows = list(csv.DictReader((tmp_path / "zoo_models.csv").read_text().splitlines()))
        assert [row["model"] for row in rows] == ["small_beta_vae_4", "fruits_vae_1"]
        assert (tmp_path / "fruits_vae_1.png").exists()
