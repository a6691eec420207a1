"""The files around the package: versions in one place, style, what a newcomer runs."""

import ast
import doctest
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

import dvae_helpers
from dvae_helpers import factors

ROOT = Path(__file__).parents[1]


def names(requirements):
    return {re.split(r"[<>=!~\[ ]", line)[0].lower().replace("_", "-") for line in requirements}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def asked(project):
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(line for extra in extras for line in extra)]


@pytest.fixture(scope="module")
def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_package_that_is_asked_for_has_one_exact_pin(asked, pins):
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert len(names(pins)) == len(pins)
    assert names(asked) <= names(pins)


def test_pyproject_has_ranges_and_no_pins(project, asked):
    assert all(">=" in line and "==" not in line for line in asked)
    assert {"course", "test", "cluster"} <= set(project["optional-dependencies"])


def sources(folder):
    """The Python code below a folder of this repository: whole files, and cells of notebooks."""
    for path in (ROOT / folder).rglob("*.py"):
        yield path.read_text("utf-8")
    for path in (ROOT / folder).rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        yield from (cell.source for cell in cells if cell.cell_type == "code")


def imported(folder):
    """The packages that this code imports, by the names that pip knows them by."""
    modules = set()
    for node in (node for text in sources(folder) for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "importorskip":
            modules.add(node.args[0].value)
    modules = {name.split(".")[0] for name in modules} - sys.stdlib_module_names
    modules -= {"dvae_helpers", *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
    homes = importlib.metadata.packages_distributions()
    return names(home for name in modules for home in homes.get(name, [name]))


def test_every_package_that_is_imported_is_asked_for(project):
    always = names(project["dependencies"])
    extras = {name: names(lines) for name, lines in project["optional-dependencies"].items()}
    course = imported("dvae_helpers") | imported("notebooks") | imported("data")
    course -= {"triton"}  # torch for CUDA brings it, and nothing else asks for it
    assert course - always <= extras["course"] | extras["cluster"]
    tests = imported("tests")
    assert tests <= always | extras["course"] | extras["test"] | extras["cluster"] | extras["site"]
    # These are run, not imported.
    programs = {"jupyterlab", "nbval", "ruff", "import-linter", "mypy"}
    assert (always | extras["course"] | extras["cluster"]) - programs <= course
    assert extras["test"] - programs <= tests


def test_conda_takes_the_same_versions_from_the_same_file():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert [re.split("=", item)[0] for item in conda] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[course,test]"]}


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_code_and_notebooks_follow_the_style(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_imports_fast_and_without_the_notebook_front_end():
    code = "import sys, dvae_helpers; print('torch' in sys.modules, 'ipywidgets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_modules_import_only_from_those_below_them():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_of_the_checked_files_fit():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_in_docstrings_are_true():
    results = doctest.testmod(factors)
    assert results.attempted >= 2
    assert not results.failed


WITHOUT_JUPYTER = """
import sys

class Absent:
    names = {"IPython", "ipykernel", "ipywidgets", "jupyterlab", "nbconvert", "nbformat"}
    names |= {"jupyter_client", "jupyter_core", "pygments", "anywidget", "traitlets", "notebook"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import functools, torch
from dvae_helpers import datasets, estimators, figures, metrics, models, objectives, sweep
from dvae_helpers import training, zoo
from dvae_helpers.__main__ import main
data = datasets.own(torch.rand(60, 8, 8), torch.arange(60) % 3)
model = models.VAE(data.shape, 2, "dense", 8)
training.fit(model, data, functools.partial(objectives.beta_tcvae, beta=2), 5, 20, progress=False)
mean, log_var = models.posteriors(model, data)
estimators.decompose(mean, log_var)
metrics.mig(mean, data.classes(torch.arange(60)))
status = main(["handout"])
print("status", status)
"""


def test_the_core_works_without_jupyter():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_JUPYTER],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("status 2\n")
    assert ".[course]" in done.stderr.splitlines()[-1]


def test_the_readme_s_own_images_work(capsys):
    text = (ROOT / "README.md").read_text("utf-8")
    code = next(part for part in re.findall(r"```python\n(.*?)```", text, re.S) if "own(" in part)
    assert len(code.splitlines()) <= 12
    variables = {}
    exec(code.replace("steps=1000", "steps=60"), variables)
    assert "images of (1, 8, 8)" in capsys.readouterr().out


def test_every_folder_with_code_is_installed():
    folders = {path.parent for path in (ROOT / "dvae_helpers").rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_a_skip_of_what_must_run_is_a_failure(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    (tmp_path / "test_skips.py").write_text(
        "import pytest\n"
        "def test_browser(): pytest.skip('needs Chromium: apt install chromium')\n"
        "def test_gpu(): pytest.skip('needs a CUDA device')\n"
        "def test_good(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    said = []
    for required in ("", "browser npm dask"):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "DVAE_REQUIRE": required}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        said.append((done.returncode, done.stdout.splitlines()[-1].split(" in ")[0]))
    assert said == [(0, "1 passed, 2 skipped"), (1, "1 failed, 1 passed, 1 skipped")]


def test_the_version_is_said_once_more_where_it_must_be(project):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert project["version"] == dvae_helpers.__version__ == cited["version"]
    assert re.search(r"^## (\S+)", changes, re.M)[1] == project["version"]


def test_the_files_of_other_places_can_be_read():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert set(workflow["jobs"]) == {"everything", "systems", "ranges"}
    assert yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text())["dependencies"]
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert "make .venv/.ready" in container["postCreateCommand"]


def test_data_is_small_and_described():
    files = [path for path in (ROOT / "data").rglob("*") if path.is_file()]
    files = [path for path in files if "downloads" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 60e6
    text = (ROOT / "data" / "README.md").read_text()
    for path in files:
        assert path.name in text, f"data/README.md does not describe {path.name}"
