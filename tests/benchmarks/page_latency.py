"""From a key to the next frame in the page, without a kernel: the latency of all that moves.

    python tests/benchmarks/page_latency.py [MOVES]

A slider is moved with the arrow keys, a box is ticked, a vote is given. "work" is what the page
computes and draws; "frame" runs from the event until the frame of the screen with the drawing is
made (a screen of 60 Hz adds up to 17 ms of waiting). The median of 30 moves, and the quartiles, in
milliseconds; one line for each component, and for an explorer of each kind of model.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from gallery import gallery
from playwright.sync_api import Page, sync_playwright

import conftest
from dvae_helpers import page, zoo

# Handlers of the event and the drawings that they ask for are timed. A message that is sent in the
# frame of the drawing arrives once this frame is made.
WATCH = """() => {
  const request = window.requestAnimationFrame.bind(window), channel = new MessageChannel();
  let began = null, work = 0;
  window.requestAnimationFrame = (draw) => request((now) => {
    const start = performance.now();
    draw(now);
    work += performance.now() - start;
  });
  channel.port1.onmessage = () => window.moves.push([work, performance.now() - began]);
  for (const kind of ["keydown", "click"]) {
    addEventListener(kind, () => {
      [began, work] = [performance.now(), 0];
      request(() => channel.port2.postMessage(0));
    }, true);
    addEventListener(kind, () => (work = performance.now() - began));
  }
}"""


def examples() -> dict[str, page.Component | page.Vote]:
    """The gallery, and an explorer for each kind of model that is in the zoo."""
    made, kinds = dict(gallery()), set()
    for name in zoo.names():
        model = zoo.load(name)
        kind = (model.config["architecture"], *model.image_shape)
        if kind not in kinds:
            kinds.add(kind)
            made[name] = page.traversal(model, torch.zeros(model.latents))
    return made


def mover(tab: Page, name: str) -> Callable[[int], None]:
    """What a reader does with it, once for each number."""
    if name == "vote":
        choice, again = tab.locator(".choices button").first, tab.locator("button.again")
        return lambda n: (again if n % 2 else choice).click()
    if name == "swapper":
        box = tab.locator("input[type=checkbox]").first
        return lambda n: box.set_checked(n % 2 == 0)
    slider = tab.locator("input[type=range]").first
    slider.focus()
    return lambda n: tab.keyboard.press("ArrowRight" if n % 3 != 1 else "ArrowLeft")


def measure(tab: Page, name: str, moves: int) -> tuple[list[float], list[float]]:
    tab.wait_for_timeout(500)
    tab.evaluate(WATCH)
    move = mover(tab, name)
    times = []
    for n in range(moves + 5):
        tab.evaluate("() => (window.moves = [])")
        move(n)
        tab.wait_for_function("() => window.moves.length", timeout=10_000)
        times.append(tab.evaluate("() => window.moves[0]"))
        tab.wait_for_timeout(40)
    work, frame = zip(*times[5:], strict=True)  # the first ones compile
    return list(work), list(frame)


def main(moves: int = 30) -> None:
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'component':42} {'kB':>5} {'work':>6} {'quartiles':>12} {'frame':>6}   ms")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=conftest.CHROMIUM, args=conftest.FLAGS, timeout=180_000
        )
        for name, component in examples().items():
            path = Path(folder) / "page.html"
            path.write_text(f"<!doctype html><meta charset=utf-8><body>{component.html}", "utf-8")
            tab = chromium.new_page(viewport={"width": 1366, "height": 768})
            tab.goto(path.as_uri())
            work, frame = measure(tab, name, moves)
            low, middle, high = statistics.quantiles(work, n=4)
            print(
                f"{name[:42]:42} {len(component.html) / 1e3:5.0f} {middle:6.1f} "
                f"{low:5.1f} - {high:4.1f} {statistics.median(frame):6.1f}",
                flush=True,
            )
            tab.close()
        chromium.close()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*map(int, sys.argv[1:]))
