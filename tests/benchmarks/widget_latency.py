"""From slider to picture: the latency of the widgets that need a kernel, in JupyterLab.

    python tests/benchmarks/widget_latency.py [MOVES]

A slider is moved with the arrow keys. The time runs from the key to the frame after the one in
which the new picture is decoded. The median and the quartiles of 30 moves, in milliseconds.
"""

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import conftest
import lab
from playwright.sync_api import sync_playwright

FIRST = """import torch
from dvae_helpers import datasets, figures, widgets, zoo
figures.style()
_ = torch.set_grad_enabled(False), torch.set_num_threads(1)
small = datasets.load("small_sprites")
"""
WIDGETS = {  # name: the code that shows it
    "frontier": """trained = {b: zoo.load(f"small_beta_vae_{b}") for b in (1, 2, 4, 8, 16, 32)}
points = {b: torch.tensor([[1.0 + b, 30.0]]) for b in trained}
widgets.frontier(trained, points, small, torch.arange(100, 900, 100))""",
    "gap_explorer": "widgets.gap_explorer()",
}
# Resolves with the time from the next key to the frame after a picture of the widget is new.
MOVED = """area => new Promise(done => {
  let start;
  area.addEventListener("keydown", () => { start = performance.now(); },
    {capture: true, once: true});
  const watch = new MutationObserver(async changes => {
    const picture = changes.map(change => change.target).find(one => one.tagName === "IMG");
    if (!picture || start === undefined) return;
    watch.disconnect();
    await picture.decode();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
  });
  watch.observe(area, {subtree: true, attributes: true, attributeFilter: ["src"]});
  window.ready = true;
})"""


def measure(page, address: str, name: str, moves: int) -> list[float]:
    page.goto(f"{address}/lab/tree/{name}?token={lab.TOKEN}&reset")
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady")
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    area = page.locator(".jp-OutputArea-output:has(.widget-slider)").first
    area.wait_for()
    handle = area.locator(".noUi-handle").first
    handle.focus()
    page.wait_for_timeout(1000)
    times = []
    for move in range(moves + 3):
        page.evaluate("() => { window.ready = false; }")
        answer = page.evaluate_handle(
            f"area => ({{promise: ({MOVED})(area)}})", area.element_handle()
        )
        # There and back: a slider of few steps is soon at its end.
        page.keyboard.press("ArrowRight" if move % 2 == 0 else "ArrowLeft")
        times.append(page.evaluate("answer => answer.promise", answer))
        page.wait_for_timeout(100)
    page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
    return times[3:]  # the first ones load code


def main(moves: int = 30) -> None:
    more = {
        f"widget{k}.ipynb": lab.excerpt("00_start_here.ipynb", [FIRST, code])
        for k, code in enumerate(WIDGETS.values())
    }
    print(f"{'widget':32} {'median':>8} {'quartiles':>14}   ms, {moves} moves")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=conftest.CHROMIUM, args=conftest.FLAGS, timeout=180_000
        )
        with lab.running(Path(home), more) as address:
            for name, file in zip(WIDGETS, more, strict=True):
                page = chromium.new_page(viewport={"width": 1366, "height": 768})
                page.set_default_timeout(1000 * lab.PATIENCE)
                times = measure(page, address, file, moves)
                low, middle, high = statistics.quantiles(times, n=4)
                print(f"{name:32} {middle:8.0f} {low:6.0f} - {high:4.0f}", flush=True)
                page.close()
        chromium.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
