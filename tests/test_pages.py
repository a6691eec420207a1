"""The traversal without a kernel: what is in its HTML. (tests/test_browser.py uses it.)"""

import base64
import io
import json
import re
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image

from dvae_helpers import datasets, models, pages, zoo


def decode(codes):
    """Grey pictures of 3x5 pixels: pixel j of the first row is latent j, from -3 to 3."""
    pictures = torch.zeros(len(codes), 1, 3, 5)
    pictures[:, 0, 0, : codes.shape[1]] = (codes + 3) / 6
    return pictures


def facts(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])


def sheet(page):
    return Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", page)[1])))


class Shown(HTMLParser):
    """What is left where scripts and styles are stripped: tags and text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.inside = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.inside.append(tag)
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] not in ("script", "style"):
            self.text += data


def test_every_picture_of_the_sheet_moves_one_latent_alone():
    z = torch.tensor([0.5, -1.0, 2.0])
    page = pages.traversal_page(decode, z, [2, 0], (-3, 0, 1, 3), ["size", "x"], "Two of three")
    content, picture = facts(page), sheet(page).convert("L")
    assert (content["width"], content["height"], content["gap"]) == (5, 3, 1)
    assert [row["label"] for row in content["latents"]] == ["size", "x"]
    assert [row["values"] for row in content["latents"]] == [[-3, 0, 2, 3], [-3, 0.5, 1, 3]]
    assert [row["start"] for row in content["latents"]] == [2, 1]
    for r, (j, row) in enumerate(zip((2, 0), content["latents"], strict=True)):
        for v, value in enumerate(row["values"]):
            expected = z.clone()
            expected[j] = value
            for i in range(3):
                pixel = picture.getpixel((1 + v * 6 + i, 1 + r * 4))
                assert pixel / 255 == pytest.approx((float(expected[i]) + 3) / 6, abs=0.04)


def test_where_scripts_are_stripped_all_pictures_and_their_labels_are_seen():
    page = pages.traversal_page(decode, torch.zeros(2), labels=["x", "a < b"], title="T & U")
    shown = Shown(page)
    pictures = [attributes for tag, attributes in shown.tags if tag == "img"]
    assert len(pictures) == 1
    assert "x; a < b" in pictures[0]["alt"]
    assert "T & U" in shown.text
    assert "from -3.0 to +3.0: x; a < b." in shown.text
    assert not {"input", "button", "canvas"} & {tag for tag, _ in shown.tags}


def test_it_is_the_same_every_time_small_and_asks_for_nothing():
    data, model = datasets.load("small_sprites"), zoo.load("small_beta_vae_8")
    z = model.encode(data.images(torch.tensor([2000])))[0][0].detach()
    page = pages.traversal_page(model.pictures, z)
    assert page == pages.traversal_page(model.pictures, z)
    assert len(page) < 50_000
    assert " id=" not in page  # several on a page, or one twice, cannot meet
    assert not re.search(r"https?:|@import|url\(", page)


def test_colour_keeps_its_colours():
    def coloured(codes):
        return torch.stack([codes[:, :1] * 0 + c for c in (0.9, 0.2, 0.1)], 1)[..., None]

    picture = sheet(pages.traversal_page(coloured, torch.zeros(2), [0], (0, 1))).convert("RGB")
    assert picture.getpixel((1, 1)) == pytest.approx((230, 51, 26), abs=4)


def test_labels_cannot_end_the_script():
    page = pages.traversal_page(decode, torch.zeros(1), labels=["</script><b>"])
    assert page.count("</script>") == 2
    assert facts(page)["latents"][0]["label"] == "</script><b>"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 latents and 1 labels"):
        pages.traversal_page(decode, torch.zeros(2), labels=["one"])
    with pytest.raises(ValueError, match="no latent 5"):
        pages.traversal_page(decode, torch.zeros(2), [5])
    noise = torch.Generator().manual_seed(0)

    def noisy(codes):
        return torch.rand(len(codes), 1, 64, 64, generator=noise)

    with pytest.raises(ValueError, match=r"at most 150 kB\. It holds 10 latents x 25 values"):
        pages.traversal_page(noisy, torch.zeros(10))


def test_in_a_notebook_it_has_words_beside_the_page(monkeypatch):
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: seen.append(data))
    model = models.VAE((1, 32, 32), 2, "dense", 8)
    pages.show_traversal(model.pictures, torch.zeros(2), title="Each slider moves one latent")
    assert seen[0]["text/html"].startswith("<figure")
    assert seen[0]["text/plain"] == "A picture with sliders: Each slider moves one latent"
