"""What moves in the page, moved in Chromium: each shows what torch computes."""

import math

import pytest
import torch

from dvae_helpers import codes, datasets, fruits, models, widgets, zoo

SET = "(one, to) => { one.value = to; one.dispatchEvent(new Event('input', {bubbles: true})); }"
PIXELS = """one => {
  const {data} = one.getContext("2d").getImageData(0, 0, one.width, one.height);
  return [...data];
}"""


@pytest.fixture
def opened(open_html):
    """Opens a component in a tab."""

    def go(component):
        html = f"<meta charset=utf-8><title>t</title>{component.html}"
        tab = open_html(html, viewport={"width": 1000, "height": 700})
        tab.locator(".live").wait_for()
        tab.wait_for_timeout(300)
        return tab

    return go


def move(page, name, to):
    page.get_by_role("slider", name=name).evaluate(SET, to)
    page.wait_for_timeout(100)


def canvas(page, number):
    """(C, H, W) between 0 and 1."""
    one = page.locator(".picture canvas").nth(number)
    height, width = one.evaluate("one => [one.height, one.width]")
    values = torch.tensor(one.evaluate(PIXELS)).view(height, width, 4)
    return values[..., :3].permute(2, 0, 1) / 255


def test_the_slack_is_the_kl_of_the_two_gaussians(opened):
    page = opened(widgets.be_the_encoder(0.8, 0.45))
    true = torch.distributions.Normal(0.8, 0.45)
    for mean, spread in ((-1.0, 1.0), (1.2, 0.3), (0.8, 0.5)):
        move(page, "mean", mean)
        move(page, "spread", spread)
        slack = torch.distributions.kl_divergence(torch.distributions.Normal(mean, spread), true)
        assert f"Slack {float(slack):.2f} nats" in page.locator("p[role=status]").text_content()
    move(page, "spread", 0.45)
    assert "is the true posterior" in page.locator("p[role=status]").text_content()


def test_the_gap_explorer_shows_the_scores_and_turns_the_lattice(opened):
    page = opened(widgets.gap_explorer())
    move(page, "rotate", 10)
    move(page, "copy", 4)
    scores, share = codes.spoiled_scores(30, 0.4)
    said = page.locator(".scores svg").get_attribute("aria-label")
    for part, (name, score) in zip(said.split(", "), scores.items(), strict=True):
        assert part.rsplit(" ", 1)[0] == name
        assert float(part.rsplit(" ", 1)[1]) == pytest.approx(score, abs=0.011)
    cells = [float(cell) for cell in page.locator(".shares tbody td").all_text_contents()]
    assert cells == pytest.approx(share.flatten().tolist(), abs=0.011)
    path = page.locator(".plane .first").get_attribute("d")
    first = [float(number) for number in path[1:].split("L")[0].split()]
    turned = codes.spoil(codes.small_code()[0], 30, 0.4)[0]
    assert first == pytest.approx([float(turned[0]), -float(turned[1])], abs=2e-3)


def test_the_race_draws_the_fruits_counts_moves_and_knows_its_end(opened):
    generator = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator).double())[0]
    start, goal = torch.tensor([[1, 1, 3, 2, 5, 1], [3, 5, 1, 2, 0, 1]])
    page = opened(widgets.race({"code A": torch.eye(6), "code B": rotation}, start, goal))
    said = page.locator("p[role=status]")
    assert "0 moves; 2 of 6 factors are right" in said.text_content()
    for number, classes in enumerate((start, goal)):
        real = fruits.render(classes[None])[0] / 255
        assert (canvas(page, number) - real).abs().max() < 0.02
    sizes = torch.tensor(fruits.FACTORS.sizes).double()
    wanted = (goal - (sizes - 1) / 2) / ((sizes**2 - 1) / 12).sqrt()
    for j in (0, 1, 2, 4):
        move(page, f"latent {j}", float(wanted[j]))
    assert "There, in 4 moves with code A" in said.text_content()
    assert (canvas(page, 0) - canvas(page, 1)).abs().max() == 0
    page.get_by_role("button", name="code B").click()
    assert "0 moves; 2 of 6 factors are right. Best so far: code A 4" in said.text_content()
    for j, value in enumerate((rotation @ wanted).tolist()):
        move(page, f"latent {j}", value)
    assert "moves with code B! Best so far: code A 4, code B" in said.text_content()


def test_a_tick_takes_that_latent_from_the_other_picture(opened, small):
    model = zoo.load("small_beta_vae_8")
    page = opened(widgets.swapper(model, small, 2000, 17))
    with torch.no_grad():
        a, b = model.encode(small.images(torch.tensor([2000, 17])))[0]

    def differs(code):
        with torch.no_grad():
            return (canvas(page, 1) - model.pictures(code[None])[0]).abs().max()

    assert differs(a) < 0.1
    order, _, _ = codes.used_and_tracked(model, small)
    far = max(range(3), key=lambda n: abs(a - b)[order[n]])
    page.get_by_role("checkbox").nth(far).check()
    page.wait_for_timeout(100)
    assert differs(widgets.swap(a, b, [order[far]])) < 0.1
    assert differs(a) > 0.3
    page.get_by_role("button", name="All from B").click()
    page.wait_for_timeout(100)
    assert differs(b) < 0.2  # latents that are not used stay those of A
    page.get_by_role("button", name="A: picture 4").click()
    page.get_by_role("button", name="All from A").click()
    page.wait_for_timeout(100)
    fourth = int(torch.tensor(0.6180339887 * 2 % 1 * len(small)).long())
    with torch.no_grad():
        code = model.encode(small.images(torch.tensor([fourth])))[0][0]
    assert differs(code) < 0.1


def test_the_frontier_shows_the_pictures_of_the_chosen_beta(opened, small):
    trained = {
        beta: models.VAE(small.shape, 3, "dense", 8, seed=int(beta)).eval() for beta in (1.0, 4.0)
    }
    points = {1.0: torch.tensor([[9.0, 20.0]]), 4.0: torch.tensor([[5.0, 31.5], [6.0, 30.5]])}
    component = widgets.frontier(trained, points, small, torch.tensor([7, 3000]))
    page = opened(component)
    for n, words in enumerate(("beta = 1: rate 9.0, distortion 20.0", "beta = 4: rate 5.5, dist")):
        move(page, "beta", n)
        assert words in page.locator("p[role=status]").text_content()
        seen = [one.get_attribute("src") for one in page.locator(".sheets img:visible").all()]
        assert seen == [component.content["rebuilt"][n], component.content["moved"][n]]
        for one in page.locator(".sheets img:visible").all():
            width, height, wide, high = one.evaluate(
                "one => [one.width, one.height, one.naturalWidth, one.naturalHeight]"
            )
            assert math.isclose(width * high, height * wide, rel_tol=0.02)


def test_each_has_a_still_picture_with_words_where_scripts_do_not_run(browser, tmp_path, small):
    model = models.VAE(small.shape, 3, "dense", 8).eval()
    all_of_them = {
        "frontier": widgets.frontier({1.0: model}, {1.0: torch.ones(1, 2)}, small, torch.arange(3)),
        "gap": widgets.gap_explorer(),
        "race": widgets.race({"A": torch.eye(6)}, [1] * 6, [2] * 6),
        "encoder": widgets.be_the_encoder(0.8, 0.45),
        "swapper": widgets.swapper(model, datasets.load("small_sprites"), 2000, 17),
    }
    context = browser.new_context(java_script_enabled=False)
    for name, component in all_of_them.items():
        path = tmp_path / f"{name}.html"
        path.write_text(component.html, "utf-8")
        page = context.new_page()
        page.goto(path.as_uri())
        box = page.locator("img").bounding_box()
        assert box["width"] > 100, name
        assert "Where scripts run" in page.locator("figcaption").text_content()
    context.close()
