"""`python -m dvae_helpers`: how options are read, and doctor, train, score, explore, bench."""

import csv
import json

import pytest
import torch

from dvae_helpers import __main__ as command_line
from dvae_helpers import bench, commands, doctor, objectives, zoo
from dvae_helpers.commands import slides, train, trained
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
    assert "Resuming" not in capsys.readouterr().out
    assert command_line.main([*words, "--steps", "120", "--zoo", "mine"]) == 0
    said = capsys.readouterr().out
    assert "Resuming from first" in said
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


WRONG = {
    "--objective gamma_vae": "no objective 'gamma_vae'; choose one of elbo, beta_vae",
    "--set gama=3": "no setting 'gama=3'",
    "--set beta=four": "beta is a number from 0 up",
    "--set beta=[1]": "beta is a number from 0 up",
    "--set beta=nan": "beta is a number from 0 up",
    "--set beta=-1": "beta is a number from 0 up",
    "--set beta=": "beta is a number from 0 up",
    "--beta nan": "--beta: 'nan' is not a number from 0 up",
    "--beta inf": "--beta: 'inf' is not a number from 0 up",
    "--beta -1": "--beta: '-1' is not a number from 0 up",
    "--objective geco": "geco needs a value for target: add --set target=VALUE",
    "--set beta=2 beta=3": "beta is given twice",
    "--beta 2 --set beta=3": "beta is given twice",
    "--set estimator=guess": "guess",
    "--objective geco --set target=inf": "target is a number",
    "--objective geco --set target=9 smooth=1": "smooth is 1.0; expected a number from 0 to less",
    "--objective geco --set target=9 speed=-1": "speed is -1.0; expected a number from 0 up",
    "--objective dip_vae --set version=III": "version is 'III'; choose",
    "--objective dip_vae --set diagonal=-1": "diagonal is -1.0; expected a number from 0 up",
    "--objective capacity_vae --set over_steps=0": "over_steps is 0; expected a whole number from",
    "--objective capacity_vae --set capacity=-1": "capacity is -1.0; expected a number from 0 up",
    "--objective aae --set gamma=-1": "gamma is -1.0; expected a number from 0 up",
    "--hidden 0": "--hidden: '0' is not a whole number from 1 to 100,000",
    "--hidden 1000000000": "--hidden: '1000000000' is not a whole number from 1 to 100,000",
    "--latents 2.5": "--latents: '2.5' is not a whole number from 1 to 10,000",
    "--steps 0": "--steps: '0' is not",
    "--seed -1": "--seed: '-1' is not a whole number from 0 up",
    "--seed 99999999999999999999": "is too large: at most 9,223,372,036,854,775,807",
    "--out a-file": "a-file is a file, no folder",
    "--out a-file/run": "a-file is a file, no folder",
    "--out=": "--out: '' is no file or folder",
    "--zoo ../x": "'../x' is not a model's name",
    "--zoo=": "'' is not a model's name",
    "--data cats": "no image set 'cats'",
    "--data dsprites --path nowhere.npz": "There is no file nowhere.npz",
    "--batch-size 0": "--batch-size: '0' is not",
    "--batch-size 99999": "batch_size is 99999",
    "--learning-rate 0": "--learning-rate: '0' is not a number above 0",
    "--learning-rate nan": "--learning-rate: 'nan' is not a number above 0",
    "--architecture transformer": "no architecture 'transformer'; choose one of conv, dense",
    "--precision int4": "invalid choice: 'int4'",
    "--device banana": "There is no device 'banana' here; choose auto, cpu",
    "--device gpu": "There is no device 'gpu' here; choose auto, cpu",
    "--device CUDA": "no device 'CUDA' here; choose auto, cpu",
    "--device cuda:99": "no device 'cuda:99' here; choose auto, cpu",
    "--beta": "--beta: expected one argument",
    "--betta 3": "unrecognized arguments: --betta",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_word_is_answered_with_one_line_before_work_begins(folder, capsys, words):
    (folder / "a-file").touch()
    assert command_line.main([*TINY, "--steps", "1", *words.split()]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("Error: ")
    assert len(said.err.splitlines()) == 1
    assert WRONG[words] in said.err
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "invalid choice: 'trian'"),
        ([], "no command"),
        (["bench", "--seconds", "nan"], "'nan' is not a number above 0"),
        (["bench", "--turns", "0"], "'0' is not a whole number from 1 up"),
        (["sweep", "--betas", "1", "inf"], "'inf' is not a number from 0 up"),
        (["sweep", "--objectives", "elbo"], "no objective with a beta 'elbo'; choose one of beta"),
        (["sweep", "--hidden", "0"], "'0' is not"),
        (["sweep", "--seeds", "99999999999999999999"], "not a whole number from 1 to 10,000"),
        (["sweep", "--out", "a-file"], "a-file is a file, no folder"),
        (["sweep", "--table", "a-folder"], "a-folder was not written: it is a folder"),
        (["sweep", "--codes", "a-file/codes"], "a-file is a file, no folder"),
        (["sweep", "@a-picture"], "the file of options after @ is not text in UTF-8"),
        (["score", ""], "'' is no model; choose one of the zoo"),
        (["score", "none"], "There is no"),
        (["score", "none.safetensors"], "no file or folder none.safetensors; name a model of the"),
        (["score", "runs/first"], "no file or folder runs/first; name a model of the zoo"),
        (["score", "."], "no checkpoint.safetensors in the folder"),
        (["explore", "x", "--device", "tpu"], "no device 'tpu'"),
        (["slides", "99_none"], "no notebook '99_none'"),
        (["slides", "--out", "a-file"], "a-file is a file, no folder"),
        (["site", "--out", "a-file/site"], "a-file is a file, no folder"),
        (["grade", "a-folder", "--out", "a-file/grades.csv"], "a-file is a file, no folder"),
        (["grade", ""], "FOLDER: '' is no file or folder"),
    ],
)
def test_so_do_all_commands(folder, capsys, words, said):
    (folder / "a-file").touch()
    (folder / "a-folder").mkdir()
    (folder / "a-picture").write_bytes(b"\x89PNG")
    assert command_line.main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert len(error.splitlines()) == 1
    assert said in error


@pytest.mark.parametrize("command", commands.NAMES)
def test_help_says_every_option_and_one_default(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line.main([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for option in said.split("options:")[1].split(" --")[1:]:
        assert option.count("(default") <= 1, option
        assert "default: None" not in option


def test_settings_are_read_by_the_annotations_of_the_objective(monkeypatch):
    def odd(out: str, weight: float, count: int = 3, name: str = "4", on: bool = True) -> None: ...

    monkeypatch.setitem(objectives.OBJECTIVES, "odd", odd)
    words = ["train", "--objective", "odd", "--set", "weight=2", "count=5", "name=6", "on=False"]
    options = command_line._parser().parse_args(words)
    settings = train.objective_of(options).keywords
    assert settings == {"weight": 2.0, "count": 5, "name": "6", "on": False}
    assert [type(value) for value in settings.values()] == [float, int, str, bool]
    for wrong in ("count=2.5", "weight=much", "on=perhaps"):
        options.set = [wrong]
        with pytest.raises(ValueError, match=f"--set {wrong}: {wrong.split('=')[0]} is "):
            train.objective_of(options)


def test_a_run_leads_to_its_scores_and_to_a_page(folder, capsys):
    words = [*TINY, "--latents", "3", "--beta", "1", "--steps", "150", "--out", "runs/a"]
    assert command_line.main([*words, "--zoo", "mine"]) == 0
    assert "says nothing" not in capsys.readouterr().out
    file = str(folder / "data" / "zoo" / "mine.safetensors")
    for word, out in (("runs/a", "runs/a"), ("mine", "runs/mine"), (file, "runs/mine")):
        assert command_line.main(["score", word, "--rows", "300", "--images", "600"]) == 0
        scores = json.loads((folder / out / "scores.json").read_text())
        assert 0 <= scores["scores"]["mig"] <= 1
        assert command_line.main(["explore", word]) == 0
        page = (folder / out / "explore.html").read_text()
        assert page.startswith("<!doctype html>")
        assert '"latents":' in page
        capsys.readouterr()
    assert command_line.main(["explore", "mine", "--image", "4608"]) == 2
    assert "has images 0 to 4607" in capsys.readouterr().err
    assert command_line.main(["score", "mine", "--data", "fruits"]) == 2
    assert "(1, 32, 32), but those of 'fruits' are (3, 64, 64)" in capsys.readouterr().err


def test_a_model_whose_code_says_nothing_is_named(folder, capsys):
    model = VAE((1, 32, 32), 2, "dense", 8)
    for weights in model.encoder[-1].parameters():
        torch.nn.init.zeros_(weights)
    zoo.save(model, "dead", {"data": "small_sprites"})
    assert command_line.main(["explore", "dead"]) == 0
    assert "Warning: the code says nothing" in capsys.readouterr().out
    quiet = torch.full((50, 3), 0.1), torch.zeros(50, 3)
    assert "0.0050 nats" in trained.silence(*quiet)
    quiet[0][:, 2] = 0.2
    assert trained.silence(*quiet) is None


def test_a_file_that_holds_no_model_is_refused(folder, capsys):
    zoo.write(folder / "odd.safetensors", {"weight": torch.zeros(3)}, {"settings": {"a": 1}})
    assert command_line.main(["score", "odd.safetensors"]) == 2
    assert "does not hold a VAE of this course" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["score", "explore"])
def test_results_that_cannot_be_written_are_refused_before_the_images_are_drawn(
    folder, capsys, monkeypatch, command
):
    zoo.save(VAE((1, 32, 32), 2, "dense", 8), "mine", {"data": "small_sprites"})
    (folder / "a-file").touch()
    monkeypatch.setattr(trained.Trained, "images", None)
    assert command_line.main([command, "mine", "--out", "a-file/x"]) == 2
    assert "a-file is a file, no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB."),
    ],
)
def test_too_little_memory_is_one_line(folder, capsys, monkeypatch, error):
    def fail(options):
        raise error

    monkeypatch.setattr(slides, "run", fail)
    assert command_line.main(["slides"]) == 2
    assert capsys.readouterr().err.startswith("Error: there is not enough memory. Give smaller")


def test_a_mistake_of_ours_is_not_hidden(folder, monkeypatch):
    def fail(options):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(slides, "run", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        command_line.main(["slides"])


def test_a_package_that_is_missing_is_named_with_the_extra(folder, capsys, monkeypatch):
    def fail(options):
        raise ModuleNotFoundError("No module named 'nbconvert'", name="nbconvert")

    monkeypatch.setattr(slides, "run", fail)
    assert command_line.main(["slides"]) == 2
    assert "'nbconvert' is not installed" in capsys.readouterr().err


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


def test_without_a_command_all_are_named_in_one_line(capsys):
    assert command_line.main([]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(name in said for name in commands.NAMES)


def test_an_unknown_model_is_answered_with_those_of_nearly_its_name(capsys):
    assert command_line.main(["score", "small_beta_vae_3"]) == 2
    said = capsys.readouterr().err
    assert "small_beta_vae_32" in said
    assert f"{len(zoo.names())} models" in said
    assert said.count("_") < 30  # not all of them
