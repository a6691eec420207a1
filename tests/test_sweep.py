"""Sweeps: the grid, what a run leaves, and what happens when something is killed."""

import csv
import dataclasses
import functools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import pytest
import torch
from torch.nn import functional as F

from dvae_helpers import __main__ as command_line
from dvae_helpers import metrics, sweep, training, zoo
from dvae_helpers.estimators import gaussian_kl
from dvae_helpers.models import VAE, posteriors, sample
from dvae_helpers.objectives import beta_tcvae, beta_vae
from dvae_helpers.sweep import Run, grid

TINY = {"hidden": 16, "latents": 3, "steps": 12, "batch_size": 32, "learning_rate": 3e-3}
GRID = grid(["beta_vae", "beta_tcvae"], [5], [0, 1], **TINY)


def train(runs, folder, **settings):
    return sweep.sweep(runs, folder, progress=False, **settings)


def without_seconds(rows):
    return [{name: row[name] for name in sweep.COLUMNS if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The grid, trained without an interruption: (folder, rows)."""
    folder = tmp_path_factory.mktemp("sweep")
    return folder, train(GRID, folder)


class TestGrid:
    def test_has_every_combination_once_seeds_first(self):
        runs = grid(["beta_vae", "beta_tcvae"], [1, 5, 2], range(2), steps=7)
        assert len(set(runs)) == len(runs) == 12
        assert [run.seed for run in runs] == [0] * 6 + [1] * 6
        assert {(run.objective, run.beta) for run in runs[:6]} == {
            (name, beta) for name in ("beta_vae", "beta_tcvae") for beta in (1, 5, 2)
        }
        assert {run.steps for run in runs} == {7}

    def test_every_setting_is_in_the_file_s_name(self):
        run = Run("beta_vae", 4, 0)
        other = {"objective": "beta_tcvae", "data": "sprites", "architecture": "conv"}
        names = {run.file}
        for field in dataclasses.fields(Run):
            changed = other.get(field.name, 3)
            names.add(dataclasses.replace(run, **{field.name: changed}).file)
        assert len(names) == 1 + len(dataclasses.fields(Run))
        assert run.file.startswith("beta_vae-4-0-")
        assert Run("beta_vae", 4.0, 0).file == run.file

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"objective": "gamma_vae"}, "'gamma_vae'; choose one that has a beta: .*beta_vae"),
            ({"objective": "elbo"}, "'elbo'; choose one that has a beta"),
            ({"objective": "Pass"}, "'Pass'; choose"),
            ({"beta": float("nan")}, "beta is nan"),
            ({"beta": -1}, "beta is -1"),
            ({"seed": -1}, "seed is -1"),
            ({"latents": 1}, "latents is 1"),
        ],
    )
    def test_what_cannot_be_trained_is_refused(self, change, said):
        with pytest.raises(ValueError, match=said):
            Run(**{"objective": "beta_vae", "beta": 2, "seed": 0} | change)

    @pytest.mark.parametrize("empty", [([], [1], [0]), (["elbo"], [], [0]), (["elbo"], [1], [])])
    def test_an_empty_one_is_refused(self, empty):
        with pytest.raises(ValueError, match="grid is empty"):
            grid(*empty)


class TestSweep:
    def test_a_row_says_what_was_trained_and_what_came_out(self, done):
        rows = done[1]
        assert len(rows) == len(GRID)
        for run, row in zip(GRID, rows, strict=True):
            assert set(row) == set(sweep.COLUMNS)
            assert {key: row[key] for key in dataclasses.asdict(run)} == dataclasses.asdict(run)
            parts = ("mutual_information", "total_correlation", "dimension_kl")
            assert sum(row[name] for name in parts) == pytest.approx(row["rate"], rel=1e-6)
            assert row["seconds"] >= 0
        assert len({row["distortion"] for row in rows}) == len(rows)

    def test_a_run_is_what_fit_alone_would_give(self, done, small):
        folder = done[0]
        run = GRID[-1]
        model = VAE(small.shape, 3, "dense", 16, seed=run.seed)
        objective = functools.partial(beta_tcvae, beta=5.0)
        training.fit(model, small, objective, 12, 32, run.seed, 3e-3, "float32", progress=False)
        kept = sweep.load(run, folder)
        assert not kept.training
        for name, value in model.state_dict().items():
            assert torch.equal(kept.state_dict()[name], value), name

    def test_runs_that_train_together_on_a_device_give_the_same_table(self, done, tmp_path):
        """Up to rounding; more runs than a group holds, and two kinds of model."""
        other = dataclasses.replace(GRID[0], hidden=12)
        rows = train([*GRID, other], tmp_path, device="cpu")
        assert [row["hidden"] for row in rows] == [16] * len(GRID) + [12]
        for row, expected in zip(rows, done[1], strict=False):
            for name in sweep.TERMS:
                assert row[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-3)

    def test_a_group_that_was_killed_goes_on_to_the_same_table(self, tmp_path, monkeypatch):
        whole = without_seconds(train(GRID, tmp_path / "whole", device="cpu"))
        write, written, groups = zoo.write, [], []

        def killed(path, *rest):
            if len(written) == 1:
                raise SystemExit
            write(path, *rest)
            written.append(path)

        with monkeypatch.context() as patched:
            patched.setattr(zoo, "write", killed)
            with pytest.raises(SystemExit):
                train(GRID, tmp_path / "parts", device="cpu")
        fit_many = training.fit_many

        def noted(models, *rest, **settings):
            groups.append(len(models))
            return fit_many(models, *rest, **settings)

        monkeypatch.setattr(training, "fit_many", noted)
        monkeypatch.setattr(sweep, "_GROUP", 2)
        rows = without_seconds(train(GRID, tmp_path / "parts", device="cpu"))
        assert groups == [2, 1]  # the one that was written is not trained again
        for row, expected in zip(rows, whole, strict=True):
            for name in sweep.TERMS:
                assert row[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-3)

    def test_an_interrupted_group_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupted(out, beta):
            signal.raise_signal(signal.SIGINT)
            return beta_vae(out, beta)

        monkeypatch.setitem(sweep.objectives.OBJECTIVES, "beta_vae", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(GRID[:2], tmp_path / "runs", device="cpu")
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize("others", [{"jobs": 2}, {"scheduler": "tcp://here:1"}])
    def test_a_device_or_processes(self, tmp_path, others):
        with pytest.raises(ValueError, match="give a device, or jobs"):
            train(GRID, tmp_path, device="cpu", **others)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    def test_a_sweep_on_a_gpu_is_killed_and_resumed(self, done, tmp_path, monkeypatch):
        write, written = zoo.write, []

        def killed(path, *rest):
            if len(written) == 1:
                raise SystemExit
            write(path, *rest)
            written.append(path)

        with monkeypatch.context() as patched:
            patched.setattr(zoo, "write", killed)
            with pytest.raises(SystemExit):
                train(GRID, tmp_path, device="cuda")
        rows = train(GRID, tmp_path, device="cuda")
        for row, expected in zip(rows, done[1], strict=True):
            assert row["distortion"] == pytest.approx(expected["distortion"], rel=0.05)

    def test_the_terms_are_of_all_images(self, done, small):
        folder, rows = done
        model, row = sweep.load(GRID[1], folder), rows[1]
        mean, log_var = posteriors(model, small)
        assert row["rate"] == pytest.approx(float(gaussian_kl(mean, log_var).sum(1).mean()))
        images = small.images(torch.arange(len(small)))
        draws = []
        for seed in range(20):
            with torch.no_grad():
                z = sample(mean, log_var, torch.Generator().manual_seed(seed))
                loss = F.binary_cross_entropy_with_logits(model.decode(z), images, reduction="sum")
            draws.append(float(loss) / len(small))
        assert min(draws) - 0.05 < row["distortion"] < max(draws) + 0.05
        assert max(draws) - min(draws) < 0.01 * row["distortion"]
        assert sweep.terms(model, small) == sweep.terms(model, small)
        assert sweep.terms(model, small, seed=1)["distortion"] != row["distortion"]

    def test_the_mutual_information_of_a_large_set_is_against_all_images(
        self, done, small, monkeypatch
    ):
        folder, rows = done
        model, row = sweep.load(GRID[1], folder), rows[1]
        monkeypatch.setattr(sweep, "_MANY", 1000)
        found = sweep.terms(model, small)
        assert found["rate"] == row["rate"]
        assert found["dimension_kl"] == row["dimension_kl"]
        assert found["mutual_information"] == pytest.approx(row["mutual_information"], abs=0.1)
        assert found["distortion"] == pytest.approx(row["distortion"], rel=0.05)
        assert found["distortion"] != row["distortion"]

    def test_the_scores_are_those_of_metrics_score(self, done, small):
        folder, rows = done
        values = metrics.score(sweep.load(GRID[2], folder), small, progress=False).values
        assert set(values) == set(sweep.SCORES)
        assert {name: rows[2][name] for name in sweep.SCORES} == values
        assert len({row["mig_exact"] for row in rows}) == len(rows)

    def test_a_score_that_refuses_a_model_is_nan_alone_and_the_sweep_goes_on(
        self, done, small, tmp_path, monkeypatch, capsys
    ):
        def refuse(sample):
            raise ValueError("A fit did not converge")

        broken = [
            dataclasses.replace(one, read=refuse) if one.columns[0].name == "sap" else one
            for one in metrics.SCORES
        ]
        monkeypatch.setattr(metrics.table, "SCORES", broken)
        rows = [sweep.scores(VAE((1, 32, 32), 3, "dense", 16, seed=s), small) for s in (0, 1)]
        assert "small_sprites, sap: refused this model: A fit did" in capsys.readouterr().err
        for row in rows:
            assert [name for name in sweep.SCORES if math.isnan(row[name])] == ["sap"]
        rows = [run | row for run, row in zip(map(dict, done[1]), rows, strict=False)]
        sweep.write_table(rows, tmp_path / "table.csv")
        assert all(math.isnan(value) for value in sweep.read_table(tmp_path / "table.csv")["sap"])

    def test_a_file_without_scores_is_refused(self, done, tmp_path):
        folder, _ = done
        tensors, notes = zoo.read(folder / GRID[0].file)
        del notes["scores"]["sap"]
        zoo.write(tmp_path / GRID[0].file, tensors, notes)
        with pytest.raises(zoo.DamagedFile, match=r"scores of another version\. Delete it"):
            train(GRID[:1], tmp_path)

    def test_two_processes_give_the_table_of_one(self, done, tmp_path):
        assert without_seconds(train(GRID[:2], tmp_path, jobs=2)) == without_seconds(done[1][:2])

    def test_what_is_done_is_not_trained_again(self, done, monkeypatch):
        folder, rows = done

        def fail(run):
            raise AssertionError(f"{run} was trained again")

        monkeypatch.setattr(sweep, "train", fail)
        assert train(GRID, folder) == rows
        assert train(GRID[3:1:-1], folder) == rows[3:1:-1]

    def test_only_the_threads_of_the_run_are_set_to_one(self, tmp_path, monkeypatch):
        seen = []
        monkeypatch.setattr(sweep, "terms", lambda *_: seen.append(torch.get_num_threads()))
        monkeypatch.setattr(sweep, "scores", lambda *_: {})
        torch.set_num_threads(2)
        try:
            sweep.train(GRID[0])
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(1)
        assert seen == [1]

    def test_the_loops_of_a_score_stay_in_their_process(self, monkeypatch):
        """Dask would send them to other workers, and lose them when one of those dies."""
        monkeypatch.setattr(sweep, "terms", lambda *_: {})
        monkeypatch.setattr(sweep, "scores", lambda *_: {"jobs": joblib.effective_n_jobs(2)})
        with joblib.parallel_config("threading"):
            assert joblib.effective_n_jobs(2) == 2
            assert sweep.train(GRID[0])[2]["scores"] == {"jobs": 1}

    def test_a_run_that_is_interrupted_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupted(out, beta):
            signal.raise_signal(signal.SIGINT)
            return beta_vae(out, beta)

        monkeypatch.setitem(sweep.objectives.OBJECTIVES, "beta_vae", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(GRID[:1], tmp_path / "runs")
        assert not (tmp_path / "runs").exists()

    def test_a_damaged_file_is_named(self, done, tmp_path):
        folder, _ = done
        content = bytearray((folder / GRID[0].file).read_bytes())
        content[-3] ^= 1
        (tmp_path / GRID[0].file).write_bytes(content)
        with pytest.raises(zoo.DamagedFile, match=GRID[0].file):
            train(GRID[:1], tmp_path)

    def test_a_file_of_another_run_is_refused(self, done, tmp_path):
        folder, _ = done
        (tmp_path / GRID[0].file).write_bytes((folder / GRID[1].file).read_bytes())
        with pytest.raises(zoo.DamagedFile, match="holds another run"):
            train(GRID[:1], tmp_path)

    def test_settings_that_fit_refuses_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="batch_size is 1"):
            train([dataclasses.replace(GRID[0], batch_size=1)], tmp_path)
        with pytest.raises(ValueError, match="jobs is 0"):
            train(GRID, tmp_path, jobs=0)


class TestTable:
    def test_is_read_as_it_was_written(self, done, tmp_path):
        _, rows = done
        sweep.write_table(rows, tmp_path / "new" / "table.csv")
        table = sweep.read_table(tmp_path / "new" / "table.csv")
        assert tuple(table) == sweep.COLUMNS
        assert table["objective"].tolist() == [row["objective"] for row in rows]
        assert table["beta"].tolist() == [row["beta"] for row in rows]
        for name in (*sweep.TERMS, *sweep.SCORES):
            assert table[name] == pytest.approx([row[name] for row in rows], abs=1e-5)

    def test_codes_of_all_runs_are_of_the_same_images(self, done, small, tmp_path):
        folder, _ = done
        sweep.write_codes(GRID, folder, tmp_path / "codes.safetensors", images=50)
        mean, log_var, runs = sweep.read_codes(tmp_path / "codes.safetensors")
        assert mean.shape == log_var.shape == (len(GRID), 50, 3)
        assert [Run(**run) for run in runs] == GRID
        whole = posteriors(sweep.load(GRID[1], folder), small)[0]
        nearest = torch.cdist(mean[1], whole).min(1)
        assert nearest.values.max() < 0.02
        index = torch.randperm(len(small), generator=torch.Generator().manual_seed(0))[:50]
        assert torch.allclose(whole[index.sort().values], mean[1], atol=0.02)

    def test_codes_of_unlike_runs_do_not_go_into_one_file(self, done, tmp_path):
        (tmp_path / GRID[0].file).write_bytes((done[0] / GRID[0].file).read_bytes())
        other = dataclasses.replace(GRID[0], latents=2)
        train([other], tmp_path)
        with pytest.raises(ValueError, match="codes of 2 shapes"):
            sweep.write_codes([GRID[0], other], tmp_path, tmp_path / "codes.safetensors")

    def test_a_missing_one_names_the_command(self, tmp_path):
        with pytest.raises(ValueError, match=r"no table.*dvae_helpers sweep"):
            sweep.read_table(tmp_path / "none.csv")

    @pytest.mark.parametrize("name", ["small_sprites.csv", "small_sprites_scores.csv"])
    def test_the_ones_of_the_course_are_whole(self, name):
        table = sweep.read_table(Path(__file__).parents[1] / "data" / "sweeps" / name)
        assert set(sweep.COLUMNS) - set(sweep.SCORES) <= set(table)
        keys = set(zip(table["objective"], table["beta"], table["seed"], strict=True))
        betas = (1, 2, 4, 8, 16, 32)
        assert keys == {
            (name, beta, s)
            for name in ("beta_vae", "beta_tcvae")
            for beta in betas
            for s in range(5)
        }
        assert len(table["beta"]) == 60

    def test_the_scores_of_the_course_go_with_its_terms(self):
        folder = Path(__file__).parents[1] / "data" / "sweeps"
        terms = sweep.read_table(folder / "small_sprites.csv")
        scored = sweep.read_table(folder / "small_sprites_scores.csv")
        for name in set(sweep.SCORES) & set(scored):  # it was made before some scores were here
            assert ((scored[name] >= 0) & (scored[name] <= 1.1)).all(), name
        same = (scored["objective"] == "beta_vae") | (scored["beta"] == 1)
        for name in sweep.TERMS:  # beta-VAE: the same numbers on another day
            assert (scored[name] == terms[name])[same].all(), name
        mean, log_var, runs = sweep.read_codes(folder / "small_sprites_codes.safetensors")
        assert mean.shape == log_var.shape == (60, 512, 6)
        for name in ("objective", "beta", "seed"):
            assert [run[name] for run in runs] == scored[name].tolist()


WORDS = ["sweep", "--objectives", "beta_vae", "beta_tcvae", "--betas", "5", "--seeds", "2"]
WORDS += ["--hidden", "16", "--latents", "3", "--steps", "12", "--batch-size", "32"]
WORDS += ["--learning-rate", "0.003"]


def rows_of(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and process groups")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_sweep_goes_on_to_the_table_of_an_unbroken_one(done, tmp_path, jobs):
    rows = done[1]
    out = tmp_path / "runs"
    process = subprocess.Popen(
        [sys.executable, "-m", "dvae_helpers", *WORDS, "--jobs", str(jobs), "--out", str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while not list(out.glob("*.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
    assert 1 <= len(there) < len(GRID)
    assert command_line.main([*WORDS, "--out", str(out)]) == 0
    assert all(path.stat().st_mtime_ns == when for path, when in there.items())
    sweep.write_table(rows, tmp_path / "unbroken.csv")
    assert rows_of(out / "table.csv") == rows_of(tmp_path / "unbroken.csv")


class TestSeeds:
    def test_the_difference_of_two_seeds_by_hand(self, done):
        """Three seeds of one setting with 1, 2 and 4: differences 1, 2 and 3."""
        line = dict(done[1][0])
        lines = [line | {"seed": seed, "mig": x} for seed, x in ((0, 1.0), (1, 2.0), (2, 4.0))]
        lines += [line | {"beta": 9.0, "mig": 7.0}, line | {"beta": 8.0, "mig": math.nan}]
        found = {(row["setting"], row["name"]): row for row in sweep.between_seeds(lines)}
        by_beta = {
            beta: found[next(key for key in found if key[1] == "mig" and f"beta={beta}," in key[0])]
            for beta in (5.0, 9.0, 8.0)
        }
        assert by_beta[5.0]["difference"] == pytest.approx(2)
        assert by_beta[5.0]["mean"] == pytest.approx(7 / 3)
        assert by_beta[5.0]["spread"] == pytest.approx(math.sqrt(7 / 3))
        assert [by_beta[beta]["seeds"] for beta in (5.0, 9.0, 8.0)] == [3, 1, 0]
        assert math.isnan(by_beta[9.0]["difference"])
        assert by_beta[9.0]["mean"] == 7
        assert math.isnan(by_beta[8.0]["mean"])


class TestCommandLine:
    def test_it_says_where_the_table_is(self, done, tmp_path, capsys):
        words = [*WORDS, "--out", str(done[0]), "--table", str(tmp_path / "t.csv")]
        words += ["--codes", str(tmp_path / "codes.safetensors")]
        assert command_line.main(words) == 0
        said = capsys.readouterr().out
        assert "4 runs" in said
        assert "t_seeds.csv" in said
        assert len(rows_of(tmp_path / "t.csv")) == 4
        seeds = rows_of(tmp_path / "t_seeds.csv")
        assert {row["seeds"] for row in seeds} == {"2"}
        assert len(seeds) == 2 * len((*sweep.TERMS, *sweep.SCORES))
        assert len(sweep.read_codes(tmp_path / "codes.safetensors")[2]) == 4

    def test_a_grid_can_lie_in_a_file(self, done, tmp_path, capsys):
        words = " ".join(WORDS[1:]).replace(" --", "\n--")
        (tmp_path / "grid.txt").write_text(f"# a small grid\n\n{words}  # and no more\n")
        written = ["--out", str(done[0]), "--table", str(tmp_path / "t.csv")]
        assert command_line.main([WORDS[0], f"@{tmp_path / 'grid.txt'}", *written]) == 0
        assert "4 runs" in capsys.readouterr().out
        assert len(list(done[0].glob("*.safetensors"))) == 4
        assert command_line.main([WORDS[0], f"@{tmp_path / 'none.txt'}"]) == 2
        assert "none.txt" in capsys.readouterr().err

    def test_ctrl_c_says_how_to_go_on(self, done, tmp_path, capsys, monkeypatch):
        def interrupt(*_, **settings):
            raise KeyboardInterrupt

        monkeypatch.setattr(sweep, "sweep", interrupt)
        assert command_line.main([*WORDS, "--out", str(done[0])]) == 1
        assert "4 of 4 runs are in" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--objectives", "gamma_vae"], "no objective with a beta 'gamma_vae'"),
            (["--seeds", "0"], "--seeds: '0' is not a whole number from 1 to 10,000"),
            (["--jobs", "0"], "--jobs: '0' is not"),
            (["--data", "cats"], "no image set 'cats'"),
            (["--steps", "0"], "--steps: '0' is not"),
            (["--device", "gpu"], "no device 'gpu' here; choose auto, cpu"),
        ],
    )
    def test_a_wrong_word_is_answered_with_one_line(self, tmp_path, capsys, words, said):
        assert command_line.main([*WORDS, "--out", str(tmp_path), *words]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]


class TestCluster:
    def test_without_distributed_it_names_the_extra(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(ValueError, match=r"\.\[cluster\]"):
            train(GRID[:1], tmp_path, scheduler="tcp://127.0.0.1:1")

    def test_no_scheduler_at_the_address_is_said(self, tmp_path, monkeypatch):
        distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")

        def nobody(address, timeout):
            raise TimeoutError("Timed out")

        monkeypatch.setattr(distributed, "Client", nobody)
        with pytest.raises(ValueError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1"):
            train(GRID[:1], tmp_path, scheduler="tcp://127.0.0.1:1")

    @pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
    @pytest.mark.filterwarnings("default")
    def test_one_of_two_workers_is_killed_and_the_table_is_the_same(self, done, tmp_path):
        distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
        folder = tmp_path / "runs"
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster:
            killed = []

            def kill_one():
                while not folder.exists():
                    time.sleep(0.005)
                process = cluster.workers[0].process.process
                os.kill(process.pid, signal.SIGKILL)
                killed.append(len(list(folder.glob("*.safetensors"))))

            thread = threading.Thread(target=kill_one, daemon=True)
            thread.start()
            rows = train(GRID, folder, scheduler=cluster.scheduler_address)
            thread.join(10)
        assert killed
        assert killed[0] < len(GRID)
        assert without_seconds(rows) == without_seconds(done[1])
