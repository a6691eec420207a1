"""Bad luck: no home, no network, a read-only folder, a full disk, killed downloads, two writers.

What was there stays, nothing half-written takes a name, and one line says what to do. Damaged and
pickled files are in test_zoo and test_datasets, killed runs in test_training and test_sweep.
"""

import contextlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import lab
import nbformat
import numpy as np
import pytest
import torch

from dvae_helpers import __main__ as command_line
from dvae_helpers import datasets, dsprites_file, figures, sprites, sweep, training, zoo
from dvae_helpers.commands import score
from dvae_helpers.files import CannotWrite
from dvae_helpers.models import VAE

ROOT = Path(__file__).parents[1]
TRAIN = ["train", "--data", "small_sprites", "--architecture", "dense", "--hidden", "8"]
TRAIN += ["--latents", "2", "--steps", "2", "--batch-size", "8"]
SWEEP = ["sweep", "--objectives", "beta_vae", "--betas", "1", "--seeds", "1", "--hidden", "8"]
SWEEP += ["--latents", "2", "--steps", "2", "--batch-size", "8"]


def files(folder):
    """Every file below the folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# What the processes below share: who asks the network is written down and refused; a command
# gives its status, what it said, and its errors.
CHILD = """
import contextlib, importlib, io, json, pathlib, pkgutil, socket, sys

asked, found = [], {}

def no_network(event, details):
    if event == "socket.getaddrinfo":
        host = details[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(details[1], tuple):
        host = details[1][0]
    else:
        return
    if host not in ("localhost", "127.0.0.1", "::1"):
        asked.append(host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

sys.addaudithook(no_network)

def run(words):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            status = importlib.import_module("dvae_helpers.__main__").main(words)
    return status, said.getvalue(), errors.getvalue()

def refusal(function, *words):
    try:
        function(*words)
    except ValueError as error:
        return str(error)

"""


def answers(code, place, home=None, before=(), **more):
    """What `found` holds after CHILD and this code, run in the folder `place`.

    home: its HOME; None for a process that has no such variable.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | more
    for name in ("HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "IPYTHONDIR"):
        environment.pop(name, None)
    if home is not None:
        environment["HOME"] = home
    command = [*before, sys.executable, "-c", CHILD + code + "print(json.dumps(found))"]
    command += [*TRAIN, "--out", "out"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def folder_with_a_model(place):
    """A data folder with one trained model: "model"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVAE_DATA", str(place))
        zoo.save(VAE((1, 32, 32), 2, "dense", 5, seed=1), "model", {"data": "small_sprites"})
    return place


NO_HOME = """
import dvae_helpers

modules = [m.name for m in pkgutil.walk_packages(dvae_helpers.__path__, "dvae_helpers.")]
for name in modules:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "triton":  # it comes with torch for CUDA, and is looked for there alone
            raise
found["modules"] = modules
for command in (["doctor"], ["handout", "--out", "handout"], sys.argv[1:]):
    found[command[0]] = run(command)
from dvae_helpers import datasets
drawn = [name for name in datasets.NAMES if name != "dsprites"]
found["drawn"] = {name: len(datasets.load(name)) for name in drawn}
found["before"] = list(asked)
found["dsprites"] = refusal(datasets.load, "dsprites")
found["asked"] = asked
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """(the folder, what NO_HOME found): HOME cannot be made, and no name has an address."""
    place = tmp_path_factory.mktemp("bare")
    data = folder_with_a_model(place / "data")
    home = place / "file" / "home"
    home.parent.touch()
    return place, answers(NO_HOME, place, str(home), DVAE_DATA=str(data))


class TestNoHomeAndNoNetwork:
    def test_every_module_can_be_imported(self, bare):
        names = ("__main__", "bench", "exercises.start_here", "sprites")
        assert {f"dvae_helpers.{name}" for name in names} <= set(bare[1]["modules"])

    def test_doctor_sees_no_problem(self, bare):
        status, said, errors = bare[1]["doctor"]
        assert status == 0, said + errors
        assert "Everything that the course needs works." in said

    def test_a_model_is_trained_and_drawn(self, bare):
        place, found = bare
        status, said, errors = found["train"]
        assert status == 0, said + errors
        for picture in ("traversal.png", "reconstructions.png", "curves.png"):
            assert (place / "out" / picture).read_bytes().startswith(b"\x89PNG")

    def test_every_set_but_the_published_one_is_drawn(self, bare):
        expected = {"small_sprites": 4608, "sprites": 737280, "fruits": 30720, "faces": 32400}
        assert bare[1]["drawn"] == expected | {"small_fruits": 1080, "small_ellipses": 768}

    def test_handouts_are_written(self, bare):
        place, found = bare
        status, said, errors = found["handout"]
        assert status == 0, said + errors
        written = {path.stem for path in (place / "handout").rglob("*.ipynb")}
        assert written == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}

    def test_only_the_published_set_asks_the_network_and_says_what_to_do(self, bare):
        place, found = bare
        assert found["before"] == []
        assert set(found["asked"]) == {"github.com"}
        for words in ("could not be fetched", "Check the network", "path=", 'load("sprites")'):
            assert words in found["dsprites"]
        assert files(place / "data") == ["zoo/model.safetensors"]


ALONE = """
import socket

try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print(error.strerror)
"""


def test_a_notebook_runs_on_a_machine_that_has_no_network(tmp_path):
    """nbconvert and its kernel, in a namespace where only this machine itself can be reached."""
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    for program in ("unshare", "ip"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if subprocess.run([*alone, "ip", "link", "set", "lo", "up"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    notebook = lab.excerpt("00_start_here.ipynb", ["c00-02", "c00-32", ALONE])
    nbformat.write(notebook, tmp_path / "start.ipynb")
    command = [*alone, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-m"]
    command += ["jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb"]
    command += ["--ExecutePreprocessor.startup_timeout=300", "start.ipynb"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        environment[name] = str(tmp_path / name)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
    assert "The album holds" in cells[1].outputs[0].text
    assert cells[-1].outputs[0].text == "Network is unreachable\n"


READ_ONLY = """
import os
from dvae_helpers import datasets, zoo

found["writable"] = os.access(zoo.folder(), os.W_OK)
model = zoo.load("model")
found["loaded"] = model.config
found["doctor"] = run(["doctor"])
found["train"] = run([*sys.argv[1:], "--zoo", "mine"])
found["save"] = [refusal(zoo.save, model, name) for name in ("model", "new")]
found["dsprites"] = refusal(datasets.load, "dsprites")
found["asked"] = asked
"""


@pytest.fixture(scope="module")
def read_only(tmp_path_factory):
    """(the folder, what READ_ONLY found): `data` in it may only be read, and HOME is not set."""
    if os.name != "posix":
        pytest.skip("needs permissions of POSIX")
    before = []
    if os.geteuid() == 0:  # writes everywhere, unless this right is taken away
        if not shutil.which("setpriv"):
            pytest.skip("root writes everywhere, and setpriv, which can stop that, is not here")
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    place = tmp_path_factory.mktemp("read_only")
    data = folder_with_a_model(place / "data")
    for folder in (data / "zoo", data):
        folder.chmod(0o555)
    yield place, answers(READ_ONLY, place, before=before, DVAE_DATA=str(data))
    for folder in (data, data / "zoo"):
        folder.chmod(0o755)


class TestReadOnlyDataFolder:
    def test_models_are_loaded(self, read_only):
        found = read_only[1]
        assert not found["writable"]
        assert found["loaded"]["latents"] == 2

    def test_doctor_notes_it_and_names_the_way_out(self, read_only):
        status, said, _ = read_only[1]["doctor"]
        assert status == 0
        assert "cannot be written" in said
        assert "set DVAE_DATA to a copy" in said

    def test_saving_is_refused_in_one_line_before_anything_is_trained(self, read_only):
        place, found = read_only
        for words, name in zip(found["save"], ("model", "new"), strict=True):
            assert f"{name}.safetensors was not written: Permission denied" in words
        status, _, errors = found["train"]
        assert status == 2
        last = errors.splitlines()[-1]
        assert last.startswith("Error: ")
        assert "mine.safetensors was not written: Permission denied" in last
        assert "DVAE_DATA" in last
        assert not (place / "out").exists()
        assert files(place / "data") == ["zoo/model.safetensors"]

    def test_a_download_is_refused_before_the_network_is_asked(self, read_only):
        assert "could not be fetched" in read_only[1]["dsprites"]
        assert "may be written" in read_only[1]["dsprites"]
        assert read_only[1]["asked"] == []


@contextlib.contextmanager
def room_for(size):
    """Files can have this many bytes; a longer one stops in the middle, as on a full disk."""
    resource = pytest.importorskip("resource", reason="limits on files need POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def runs(tmp_path, monkeypatch, data_folder):
    """An empty folder to run commands in. Models are not scored: that takes seconds."""
    monkeypatch.setattr(sweep, "scores", lambda *_: dict.fromkeys(sweep.SCORES, 0.5))
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class TestFullDisk:
    def test_the_limit_stops_a_file_in_the_middle(self, tmp_path):
        with room_for(500), pytest.raises(OSError, match="too large"):
            (tmp_path / "file").write_bytes(bytes(1000))
        assert (tmp_path / "file").stat().st_size == 500

    def test_a_run_keeps_its_checkpoint_and_goes_on_when_there_is_room(self, tiny, tmp_path):
        def train(steps, checkpoint=None):
            model = VAE(tiny.shape, 2, "dense", 5)
            settings = {"checkpoint": checkpoint, "log_every": 5, "progress": False}
            training.fit(model, tiny, steps=steps, batch_size=6, **settings)
            return model.state_dict()

        path = tmp_path / "run.safetensors"
        train(10, path)
        before = path.read_bytes()
        with room_for(1000), pytest.raises(CannotWrite, match=r"run\.safeten.*Make room"):
            train(20, path)
        assert path.read_bytes() == before
        assert files(tmp_path) == ["run.safetensors"]
        resumed, whole = train(20, path), train(20)
        assert all(torch.equal(resumed[key], value) for key, value in whole.items())

    def test_the_zoo_keeps_its_model(self, data_folder):
        zoo.save(VAE((1, 4, 6), 2, "dense", 5, seed=1), "model", {"seed": 1})
        for name in ("model", "new"):
            with room_for(1000), pytest.raises(ValueError, match=rf"{name}.*unharmed.*DVAE_DATA"):
                zoo.save(VAE((1, 4, 6), 2, "dense", 5, seed=2), name, {"seed": 2})
        assert files(data_folder) == ["zoo/model.safetensors"]
        assert zoo.about("model") == {"seed": 1}

    @pytest.mark.parametrize("words", [TRAIN, SWEEP, ["handout", "00_start_here"]])
    def test_a_command_answers_with_one_line_and_leaves_nothing(self, runs, capsys, words):
        with room_for(1000):
            assert command_line.main([*words, "--out", str(runs / "out")]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("Error: ")
        assert "Make room" in said
        assert files(runs) == []

    def test_a_table_that_cannot_be_written_is_refused_before_the_sweep(self, runs, capsys):
        words = [*SWEEP, "--out", str(runs / "out"), "--table"]
        (runs / "file").touch()
        assert command_line.main([*words, str(runs / "file" / "folder" / "table.csv")]) == 2
        assert "table.csv was not written: " in capsys.readouterr().err
        assert not (runs / "out").exists()

    def test_a_sweep_goes_on_when_there_is_room_for_its_table(self, runs, capsys, monkeypatch):
        words = [*SWEEP, "--out", str(runs / "out"), "--table"]

        def full(rows, path):
            raise CannotWrite(f"{path} was not written: No space left on device. Make room.")

        with monkeypatch.context() as patch:
            patch.setattr(sweep, "write_table", full)
            assert command_line.main([*words, str(runs / "table.csv")]) == 2
        assert "table.csv was not written: No space left" in capsys.readouterr().err
        (there,) = (runs / "out").iterdir()
        when = there.stat().st_mtime_ns
        assert command_line.main([*words, str(runs / "table.csv")]) == 0
        assert there.stat().st_mtime_ns == when
        assert len(sweep.read_table(runs / "table.csv")["beta"]) == 1

    def test_pictures_are_whole_or_not_there(self, runs, capsys, monkeypatch):
        monkeypatch.setattr(figures, "to_png", lambda figure: bytes(2_000_000))
        with room_for(1_000_000):  # the checkpoint needs less, a picture more
            assert command_line.main([*TRAIN, "--out", "out"]) == 2
        assert "traversal.png was not written" in capsys.readouterr().err
        assert files(runs) == ["out/checkpoint.safetensors", "out/history.csv"]


class TestTable:
    WHOLE = "objective,beta,seed,mig\nbeta_vae,1.0,0,0.25\nbeta_vae,4.0,0,0.5\n"

    @pytest.mark.parametrize("length", [0, 10, 24, 30, 45, len(WHOLE) - 3, len(WHOLE) - 1])
    def test_one_that_is_cut_off_is_refused(self, tmp_path, length):
        path = tmp_path / "table.csv"
        path.write_text(self.WHOLE)
        assert sweep.read_table(path)["mig"].tolist() == [0.25, 0.5]
        path.write_text(self.WHOLE[:length])
        with pytest.raises(ValueError, match=r"table\.csv is cut off.*git checkout"):
            sweep.read_table(path)

    def test_a_number_that_is_none_is_refused_and_bytes_that_are_no_text(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text(self.WHOLE.replace("0.25", "O.25"))
        with pytest.raises(ValueError, match=r"table\.csv, column mig.*'O\.25'.*git checkout"):
            sweep.read_table(path)
        path.write_bytes(self.WHOLE.encode().replace(b"4", b"\xff"))
        with pytest.raises(ValueError, match=r"table\.csv is not a readable table.*git checkout"):
            sweep.read_table(path)


def test_an_error_of_the_system_is_one_line(runs, capsys, monkeypatch):
    def fail(options):
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(score, "run", fail)
    assert command_line.main(["score", "model"]) == 2
    error = capsys.readouterr().err
    assert "Permission denied: '/some/file'" in error
    assert len(error.splitlines()) == 1


def published_file():
    """Seven images in the form of the published file."""
    classes = sprites.FACTORS.sample(7, torch.Generator().manual_seed(1))
    content = io.BytesIO()
    np.savez(content, imgs=sprites.render(classes).numpy(), latents_classes=classes.numpy())
    return content.getvalue()


@pytest.fixture
def server():
    """A server on this machine that falls silent half-way through the file, until `patient`."""

    class Server(http.server.BaseHTTPRequestHandler):
        patient = False
        over = threading.Event()

        def do_GET(self):
            content = published_file()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            if Server.patient:
                self.wfile.write(content[len(content) // 2 :])
            else:
                Server.over.wait(300)

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        Server.url = f"http://127.0.0.1:{listening.server_port}/{dsprites_file.FILE}"
        yield Server
        Server.over.set()
        listening.shutdown()
        thread.join()


class TestDownload:
    def test_a_silent_server_is_given_up_and_nothing_is_left(
        self, server, data_folder, monkeypatch
    ):
        monkeypatch.setattr(dsprites_file, "URL", server.url)
        with monkeypatch.context() as impatient:
            impatient.setattr(dsprites_file, "_PATIENCE", 0.5)
            with pytest.raises(ValueError, match=r"timed out.*Check the network.*path="):
                datasets.load("dsprites")
        assert files(data_folder) == []
        server.patient = True
        assert len(datasets.load("dsprites")) == 7

    @pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
    def test_a_killed_download_starts_anew(self, server, data_folder, monkeypatch):
        code = "import sys; from dvae_helpers import datasets, dsprites_file as file"
        code += "; file.URL = sys.argv[1]"
        code += "; datasets.load('dsprites')"
        process = subprocess.Popen(
            [sys.executable, "-c", code, server.url], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 300
            while not files(data_folder):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
        assert not (data_folder / "downloads" / dsprites_file.FILE).exists()
        server.patient = True
        monkeypatch.setattr(dsprites_file, "URL", server.url)
        assert len(datasets.load("dsprites")) == 7


WRITER = """
import pathlib, sys, time
from dvae_helpers import zoo
from dvae_helpers.models import VAE
number, start = int(sys.argv[1]), pathlib.Path(sys.argv[2])
model = VAE((1, 4, 6), 2, "dense", 5, seed=number)
(start / f"ready{number}").touch()
while len(list(start.iterdir())) < 2:
    time.sleep(0.001)
for turn in range(20):
    zoo.save(model, "shared", {"writer": number, "turn": turn})
"""


def test_two_processes_write_the_same_model(data_folder, tmp_path):
    """As two kernels would: one of them is last, and its model is whole."""
    start = tmp_path / "start"
    start.mkdir()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(number), str(start)], cwd=ROOT)
        for number in (1, 2)
    ]
    try:
        assert [writer.wait(300) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
    assert files(data_folder) == ["zoo/shared.safetensors"]
    about, found = zoo.about("shared"), zoo.load("shared").state_dict()
    assert about["turn"] == 19
    expected = VAE((1, 4, 6), 2, "dense", 5, seed=about["writer"]).state_dict()
    assert all(torch.equal(value, expected[key].half().float()) for key, value in found.items())


@pytest.mark.skipif(os.name != "posix", reason="the npm of this test is a shell script")
def test_a_killed_npm_leaves_no_packages_that_look_whole(tmp_path, monkeypatch):
    from dvae_helpers import slides

    make = "for place; do :; done\n"  # the last word of the command
    for name, version in (slides.REVEAL, slides.MATHJAX):
        package = f"$place/node_modules/{name}"
        make += f"mkdir -p {package}\n"
        make += f"""echo '{{"version": "{version}"}}' > {package}/package.json\n"""
    npm = tmp_path / "npm"
    monkeypatch.setattr(slides.shutil, "which", lambda name: str(npm))
    folder = tmp_path / "slides" / "node_modules"
    npm.write_text(f"#!/bin/sh\n{make}kill -9 $$\n")
    npm.chmod(0o755)
    with pytest.raises(ValueError, match="could not fetch"):
        slides.fetch(folder)
    assert files(folder.parent) == []
    npm.write_text(f"#!/bin/sh\n{make}")
    assert slides.fetch(folder) == folder
    assert files(folder) == ["mathjax/package.json", "reveal.js/package.json"]
