"""`explore`: a page in which the sliders move a trained model's latents."""

import argparse
import html
from pathlib import Path

from .options import add_data, add_device, whole

HELP = "write a page with sliders that move the latents of a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="MODEL", help="a model of the zoo, the folder of a run, or a model's file")
    add_data(parser, None, " (default: what the model was trained on)")
    add("--image", type=whole(0), help="where the sliders start (default: the middle image)")
    add_device(parser)
    add("--out", type=Path, help="the page (default: explore.html in the run's folder)")


def run(options: argparse.Namespace) -> int:
    import torch

    from .. import figures
    from ..files import write_whole
    from ..models import posteriors
    from .trained import SILENT, find, silence

    trained = find(options.name, options.device)
    data = trained.images(options.data, options.path)
    image = len(data) // 2 if options.image is None else options.image
    if image >= len(data):
        raise ValueError(f"--image is {image}; {data.name!r} has images 0 to {len(data) - 1}.")
    some = torch.linspace(0, len(data) - 1, min(len(data), 2000)).long()
    mean, log_var = posteriors(trained.model, data, some)
    if warning := silence(mean, log_var):
        print(warning)
    order, kl = figures.latent_order(mean, log_var)
    latents = [j for j in order if kl[j] >= SILENT] or order
    labels = [f"latent {j} ({kl[j]:.1f} nats)" for j in latents]
    start, _ = posteriors(trained.model, data, torch.tensor([image]))
    page = _page(trained.model, start[0], latents, labels, title=options.name)
    out = options.out or trained.out / "explore.html"
    write_whole(out, page.encode())
    print(f"{out}  {len(page) / 1e3:.0f} kB: {len(latents)} latents. Open it in a browser.")
    return 0


def _page(model, z, latents: list[int], labels: list[str], title: str) -> str:
    """A whole HTML document; as many stops of each slider as fit."""
    from .. import pages

    for stops in (25, 15, 9, 5):
        values = [6 * k / (stops - 1) - 3 for k in range(stops)]
        try:
            body = pages.traversal_page(model.pictures, z, latents, values, labels, title)
        except ValueError as error:
            too_large = error
        else:
            name = html.escape(title)
            return (
                '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
                f"<title>{name}</title>\n<body>\n{body}\n</body>\n</html>\n"
            )
    raise too_large
