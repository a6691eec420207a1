"""From slider to picture in the page, without a kernel: the latency of what decodes in Chromium.

    python tests/benchmarks/page_latency.py [MOVES]

A slider is moved with the arrow keys. "work" runs from the event to the picture on its canvas,
"frame" to the frame of the screen after it (a screen of 60 Hz adds up to 17 ms to the work). The
median of 30 moves, and the quartiles, in milliseconds; one line for each model or pair of them.
"""

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from playwright.sync_api import sync_playwright

import conftest
from dvae_helpers import datasets, page, zoo

# After the key, the browser sends "input", then draws in its next frame.
MOVED = """() => new Promise((done) => {
  const slider = document.querySelector("input[type=range]");
  const put = CanvasRenderingContext2D.prototype.putImageData;
  let key, event, drawn;
  slider.addEventListener("keydown", () => (key = performance.now()), { once: true });
  const request = window.requestAnimationFrame;
  CanvasRenderingContext2D.prototype.putImageData = function (...all) {
    put.apply(this, all);
    drawn = performance.now();
  };
  window.requestAnimationFrame = (draw) => request((now) => {
    const began = performance.now();
    draw(now);
    if (drawn === undefined || key === undefined) return;
    window.requestAnimationFrame = request;
    CanvasRenderingContext2D.prototype.putImageData = put;
    request(() => done([drawn - began, performance.now() - key]));
  });
  window.ready = true;
})"""


def examples() -> dict[str, page.Component]:
    """An explorer for each kind of model that is in the zoo."""
    found = {}
    for name in zoo.names():
        model = zoo.load(name)
        kind = (model.config["architecture"], *model.image_shape)
        if kind not in {key[0] for key in found}:
            found[kind, name] = model
    made = {}
    for (_, name), model in found.items():
        codes = torch.zeros(model.latents)
        made[name] = page.traversal(model, codes)
    small = datasets.load("small_sprites")
    pair = [name for name in zoo.names() if name.startswith("small_")][:2]
    made[" + ".join(pair)] = page.explorer({name: zoo.load(name) for name in pair}, small)
    return made


def measure(tab, moves: int) -> tuple[list[float], list[float]]:
    tab.locator("input[type=range]").first.focus()
    tab.wait_for_timeout(500)
    times = []
    for move in range(moves + 5):
        answer = tab.evaluate_handle(f"() => ({{promise: ({MOVED})()}})")
        tab.keyboard.press("ArrowRight" if move % 3 else "ArrowLeft")
        times.append(tab.evaluate("answer => answer.promise", answer))
        tab.wait_for_timeout(40)
    work, frame = zip(*times[5:], strict=True)  # the first ones compile
    return list(work), list(frame)


def main(moves: int = 30) -> None:
    print(f"{'explorer':48} {'kB':>5} {'work':>6} {'quartiles':>12} {'frame':>6}   ms")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=conftest.CHROMIUM, args=conftest.FLAGS, timeout=180_000
        )
        for name, component in examples().items():
            path = Path(folder) / "page.html"
            path.write_text(f"<!doctype html><body>{component.html}", "utf-8")
            tab = chromium.new_page(viewport={"width": 1366, "height": 768})
            tab.goto(path.as_uri())
            work, frame = measure(tab, moves)
            low, middle, high = statistics.quantiles(work, n=4)
            print(
                f"{name[:48]:48} {len(component.html) / 1e3:5.0f} {middle:6.1f} "
                f"{low:5.1f} - {high:4.1f} {statistics.median(frame):6.1f}",
                flush=True,
            )
            tab.close()
        chromium.close()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*map(int, sys.argv[1:]))
