"""The files around the package: versions in one place, style, what a newcomer runs."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

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
    assert "torch==2.13.0" in pins


def test_pyproject_has_ranges_and_no_pins(project, asked):
    assert all(">=" in line and "==" not in line for line in asked)
    assert {"test", "cluster"} <= set(project["optional-dependencies"])


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
    assert course - always == extras["cluster"]
    tests = imported("tests")
    assert tests <= always | extras["test"] | extras["cluster"] | extras["site"]
    programs = {"jupyterlab", "nbval", "ruff"}  # which are run, not imported
    assert always - programs <= course
    assert extras["test"] - programs <= tests


def test_conda_takes_the_same_versions_from_the_same_file():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert [re.split("=", item)[0] for item in conda] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[test]"]}


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


def test_modules_import_only_from_those_before_them():
    package = ROOT / "dvae_helpers"
    said = (package / "__init__.py").read_text().split("in this list:")[1]
    order = [*re.findall(r"\w+", said.split(".")[0]), "__main__"]
    files = [path for path in package.rglob("*.py") if path != package / "__init__.py"]
    modules = {path: path.relative_to(package).parts[0].removesuffix(".py") for path in files}
    assert set(modules.values()) == set(order)
    for path, name in modules.items():
        text = path.read_text()
        dots = "." * len(path.relative_to(package).parts)  # the package, seen from this file
        used = re.findall(rf"^\s*from {re.escape(dots)}(\w+) import", text, re.M)
        for line in re.findall(rf"^\s*from {re.escape(dots)} import (.+)$", text, re.M):
            used += [part.split(" as ")[0].strip() for part in line.split(",")]
        late = [other for other in used if order.index(other) >= order.index(name)]
        assert not late, f"{path.relative_to(package)} imports {late}"


def test_every_folder_with_code_is_installed():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    folders = {path.parent for path in (ROOT / "dvae_helpers").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(tool["setuptools"]["packages"]) == names


def test_data_is_small_and_described():
    files = [path for path in (ROOT / "data").rglob("*") if path.is_file()]
    files = [path for path in files if "downloads" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 60e6
    text = (ROOT / "data" / "README.md").read_text()
    for path in files:
        assert path.name in text, f"data/README.md does not describe {path.name}"
