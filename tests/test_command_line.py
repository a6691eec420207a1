"""`python -m dvae_helpers`: doctor, train, bench."""

import csv

import pytest
import torch

from dvae_helpers import __main__ as command_line
from dvae_helpers import bench, doctor, zoo
from dvae_helpers.models import VAE

TINY = ["train", "--data", "small_sprites", "--architecture", "dense", "--hidden", "24"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DVAE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_writes_what_it_says_and_goes_on_where_it_stopped(folder, capsys):
    words = [*TINY, "--latents", "3", "--beta", "2", "--batch-size", "32", "--out", "first"]
    words += ["--precision", "float32"]
    assert command_line.main([*words, "--steps", "60"]) == 0
    assert "Going on" not in capsys.readouterr().out
    assert command_line.main([*words, "--steps", "120", "--zoo", "mine"]) == 0
    said = capsys.readouterr().out
    assert "Going on from first" in said
    assert "at step 120" in said
    for picture in ("traversal.png", "reconstructions.png", "curves.png"):
        assert (folder / "first" / picture).read_bytes().startswith(b"\x89PNG")
    rows = csv.DictReader((folder / "first" / "history.csv").read_text().splitlines())
    assert [row["step"] for row in rows] == ["50", "60", "100", "120"]
    assert zoo.load("mine").latents == 3
    made = zoo.about("mine")
    assert made["objective"] == {"name": "beta_tcvae", "beta": 2.0}
    assert "--beta 2 " in made["command"]
    assert made["command"].endswith("--seed 0 --precision float32")
    assert str(folder) not in str(made)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--objective", "gamma_vae"], "no objective 'gamma_vae'; choose one of elbo, beta_vae"),
        (["--set", "gama=3"], "no setting 'gama=3'"),
        (["--data", "cats"], "no image set 'cats'"),
        (["--data", "dsprites", "--path", "nowhere.npz"], "There is no file nowhere.npz"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--learning-rate", "0"], "learning_rate is 0"),
        (["--architecture", "transformer"], "architecture is 'transformer'"),
        (["--precision", "int4"], "precision is 'int4'"),
    ],
)
def test_a_wrong_word_is_answered_with_one_line(folder, capsys, words, said):
    assert command_line.main([*TINY, "--steps", "1", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert said in error


def test_doctor_reports_every_subject_of_a_sound_machine():
    checks = doctor.report()
    subjects = {check.subject for check in checks}
    assert subjects == {"Python", "torch", "GPU", "JupyterLab", "sliders", "disk", "data", "zoo"}
    assert doctor.PROBLEM not in {check.state for check in checks}, doctor.text(checks)
    assert "Everything that the course needs works." in doctor.text(checks)


def test_doctor_names_a_damaged_model_and_the_remedy(folder, capsys):
    path = zoo.folder() / "broken.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a model")
    assert command_line.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "broken.safetensors" in said
    assert "git checkout" in said


def test_doctor_tells_a_missing_data_folder_and_an_empty_zoo_apart(folder):
    missing = {check.subject: check for check in doctor.report()}
    assert "not there" in missing["data"].finding
    (folder / "data").mkdir()
    empty = {check.subject: check for check in doctor.report()}
    assert empty["data"].state == doctor.OK
    assert "no trained model" in empty["zoo"].finding


def test_both_loops_of_the_bench_train_the_same_model(monkeypatch):
    """The baseline is a fair one: its loss is that of the objective that `fit` is given."""
    torch.manual_seed(0)
    z, mean, log_var = torch.randn(3, 12, 4)
    from dvae_helpers.estimators import batch_decomposition

    ours = batch_decomposition(z, mean, log_var, 500).total_correlation
    torch.testing.assert_close(bench._plain_correlation(z, mean, log_var, 500), ours)


@pytest.mark.parametrize("kind", bench._KINDS)
def test_every_measurement_of_the_bench_gives_a_rate(kind, monkeypatch):
    monkeypatch.setattr(bench.loop, "steps_of", bench.loop.steps_of)  # "eager" changes it
    training = ["cpu", "dense", 16, "beta_tcvae"]
    settings = {"matrix": ["cpu", "float32", 64], "plain drawing": [], "fit": training}
    settings |= {"plain": training, "plain, memory kept": training, "eager": training}
    stack = ["cpu", "dense", 256, 16, "beta_vae"]
    settings |= {"stack": stack, "one by one": stack}
    settings = settings.get(kind, ["cpu"])
    assert 0 < bench.speed(kind, *settings, 0.02) < float("inf")


def test_operations_are_counted_as_by_hand():
    """A product with a matrix (m, n) costs 2 m n; backward costs twice that, except that the
    images need no gradient."""
    hidden, pixels = 1200, 4096
    encoder = pixels * hidden + hidden * hidden + hidden * 20
    decoder = 10 * hidden + 2 * hidden * hidden + hidden * pixels
    by_hand = 2 * (3 * (encoder + decoder) - pixels * hidden)
    assert bench.flops_per_image(VAE(architecture="dense"), 16) == pytest.approx(by_hand)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_quick_bench_asks_for_few_measurements(monkeypatch, capsys, device):
    """Each is a process of a second, and on a GPU some four more to start: two minutes in all."""
    asked = []
    monkeypatch.setattr(bench, "_measure", lambda request, seconds: asked.append(seconds) or 1e9)
    bench.main(device=device, quick=True)
    assert len(asked) <= 22
    assert max(asked) <= 1
    said = capsys.readouterr().out
    assert "of the copies" in said
    assert said.count("fit_many") == (4 if device == "cuda" else 2)
