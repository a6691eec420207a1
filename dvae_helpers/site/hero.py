"""What moves on the landing page before a word is read: the best model in colour that is there."""

import torch

from .. import datasets, faces, page, zoo


def hero() -> str:
    """An explorer that moves by itself, as HTML: of faces if there are any, of sprites if not."""
    trained_on = {name: zoo.about(name).get("data") for name in zoo.names()}
    people = [name for name, data in trained_on.items() if data == "faces"]
    # Those trained on pairs have a latent for each factor; a Gaussian likelihood draws faces well.
    people.sort(key=lambda name: ("pairs" not in name, zoo.load(name).likelihood != "gaussian"))
    if people:
        data, name = some_faces(), people[0]
    else:
        data = datasets.load("small_sprites")
        fitting = [name for name, used in trained_on.items() if used == data.name]
        if not fitting:
            raise ValueError(
                f"The landing page needs a model of faces or of small_sprites in {zoo.folder()}; "
                "fetch the data folder again (git checkout data)."
            )
        name = fitting[0]
    return page.explorer({"drawn by a model": zoo.load(name)}, data, 1, moving=True).html


def some_faces(count: int = 1500) -> datasets.ImageSet:
    """Some of the drawn faces, since all of them take seconds."""
    generator = torch.Generator().manual_seed(8)
    sizes = faces.FACTORS.sizes
    classes = torch.stack([torch.randint(s, (count,), generator=generator) for s in sizes], 1)
    pixels = faces.render(classes)
    return datasets.ImageSet("faces", faces.FACTORS, tuple(pixels.shape[1:]), pixels, classes)
