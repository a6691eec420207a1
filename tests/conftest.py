"""What the tests share: small image sets, the real images if there are any, a browser."""

import os
import re
import shutil
from pathlib import Path

import hypothesis
import matplotlib
import pytest
import torch

from dvae_helpers import datasets
from dvae_helpers.exercises import record
from dvae_helpers.factors import FactorSpace

matplotlib.use("Agg")

# Threads that wait for one another on a busy machine make small models many times slower.
torch.set_num_threads(1)

hypothesis.settings.register_profile(
    "course", derandomize=True, deadline=None, database=None, max_examples=40
)
hypothesis.settings.load_profile("course")


# What DVAE_REQUIRE can name: continuous integration has it, so a skip for want of it is a failure.
REQUIRED = {
    "browser": r"Chromium|playwright",
    "npm": r"\bnpm\b",
    "dask": r"extra `cluster`",
    "site": r"\.\[site\]",
    "gpu": r"CUDA|GPU",
    "images": r"real dSprites",
}


def required_and_missing(reason: str, required: str) -> bool:
    """Whether a test was skipped for want of something that `required`, words, says is here."""
    return any(re.search(REQUIRED[word], reason) for word in required.split())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    required = os.environ.get("DVAE_REQUIRE", "")
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if required_and_missing(reason, required):
            report.outcome = "failed"
            report.longrepr = f"skipped, but DVAE_REQUIRE is {required!r}: {reason}"
    return report


@pytest.fixture(scope="session")
def subset_path() -> Path:
    """A sample of real dSprites images; they are not part of this repository."""
    path = Path(os.environ.get("DVAE_DSPRITES") or "nowhere.npz")
    if not path.is_file():
        pytest.skip("extra: needs real dSprites images; name an .npz of them in DVAE_DSPRITES")
    return path


@pytest.fixture(scope="session")
def small() -> datasets.ImageSet:
    return datasets.load("small_sprites")


@pytest.fixture(scope="session")
def tiny() -> datasets.ImageSet:
    """30 random grey images of 4x6 pixels: nothing about them is square or symmetric."""
    space = FactorSpace(("colour", "size", "kind"), (5, 2, 3))
    generator = torch.Generator().manual_seed(30)
    pixels = torch.randint(256, (len(space), 1, 4, 6), generator=generator, dtype=torch.uint8)
    return datasets.ImageSet("tiny", space, (1, 4, 6), pixels)


@pytest.fixture
def data_folder(tmp_path, monkeypatch) -> Path:
    """An empty data folder that DVAE_DATA names."""
    folder = tmp_path / "data"
    monkeypatch.setenv("DVAE_DATA", str(folder))
    return folder


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window. It ends with its module: its event loop would disturb others."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=180_000)
        yield chromium
        chromium.close()


@pytest.fixture
def open_html(browser, tmp_path):
    """Opens HTML in a tab of its own; at the end, no script error and no request was seen."""
    contexts, errors = [], []

    def go(html, **settings):
        contexts.append(browser.new_context(**settings))
        tab = contexts[-1].new_page()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("request", lambda one: errors.extend([one.url] * one.url.startswith("http")))
        path = tmp_path / "page.html"
        path.write_text(f"<!doctype html><html lang=en>{html}", "utf-8")
        tab.goto(path.as_uri())
        return tab

    yield go
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def parts() -> Path:
    """reveal.js and MathJax, which npm fetches once."""
    from dvae_helpers import slides

    try:
        return slides.fetch()
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def nothing_tried():
    """What one test answers must not offer hints in another."""
    record.forget()
    yield
    record.forget()


@pytest.fixture
def verdict(capsys):
    """What a check of `exercises` prints about an answer."""

    def ask(check, answer) -> str:
        check(answer)
        return capsys.readouterr().out

    return ask
