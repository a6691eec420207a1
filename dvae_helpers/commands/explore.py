"""`explore`: a page in which the sliders move a trained model's latents."""

import argparse
import html

from .options import add_data, add_device, place, whole

HELP = "write a page with sliders that move the latents of a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="MODEL", help="a model of the zoo, the folder of a run, or a model's file")
    add_data(parser, None, " (default: what the model was trained on)")
    add("--image", type=whole(0), help="where the sliders start (default: the middle image)")
    add_device(parser)
    add("--out", type=place, help="the page (default: explore.html in the run's folder)")


def run(options: argparse.Namespace) -> int:
    import torch

    from .. import page
    from ..files import check_writable, write_whole
    from ..models import posteriors
    from .trained import find, silence

    trained = find(options.name, options.device)
    out = options.out or trained.out / "explore.html"
    check_writable(out)
    data = trained.images(options.data, options.path)
    image = len(data) // 2 if options.image is None else options.image
    if image >= len(data):
        raise ValueError(f"--image is {image}; {data.name!r} has images 0 to {len(data) - 1}.")
    some = torch.linspace(0, len(data) - 1, min(len(data), 2000)).long()
    mean, log_var = posteriors(trained.model, data, some)
    if warning := silence(mean, log_var):
        print(warning)
    body = page.explorer(trained.model, data, image, draw=True, title=options.name).html
    whole = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{html.escape(options.name)}</title>\n<body>\n{body}\n</body>\n</html>\n"
    )
    write_whole(out, whole.encode())
    print(f"{out}  {len(whole) / 1e3:.0f} kB. Open it in a browser.")
    return 0
