"""Held-out combinations: what is missing, how a model is asked, and the referee."""

import numpy as np
import pytest
import torch

from dvae_helpers import combinations, datasets, referee, sweep, zoo
from dvae_helpers.studies import new_combinations


@pytest.fixture(scope="module")
def fruits():
    return datasets.load("small_fruits")


@pytest.fixture(scope="module")
def classes(fruits):
    return fruits.classes(torch.arange(len(fruits)))


@pytest.fixture(scope="module")
def middle():
    return combinations.middle_fruits()


@pytest.fixture(scope="module")
def classifier():
    return referee.load()


@pytest.fixture(scope="module")
def table():
    return sweep.read_table(datasets.data_folder() / "sweeps" / "new_combinations.csv")


def additive_code(classes, sizes, latents=7, seed=3):
    """A code that is a sum over the factors, with what it is made of."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(v, latents, generator=generator) for v in sizes]
    return sum(part[classes[:, k]] for k, part in enumerate(parts))


class TestSmallFruits:
    def test_they_are_the_middle_of_the_large_fruits(self, fruits):
        large = datasets.load("fruits")
        wanted = torch.tensor([[0, 5, 1, 0, 2], [3, 2, 4, 1, 1]])
        places = torch.tensor([[0, 5, 1, 2, 4, 0], [3, 2, 4, 3, 3, 0]])
        window = large.images(large.find(places))[:, :, 6:54, 6:54]
        expected = torch.nn.functional.avg_pool2d(window, 2)
        got = fruits.images(fruits.find(wanted))
        assert (got - expected).abs().max() < 1 / 255

    def test_no_fruit_touches_the_edge(self, fruits):
        images = fruits.images(torch.arange(len(fruits)))
        edge = torch.cat((images[..., 0], images[..., -1], images[..., 0, :], images[..., -1, :]))
        assert (edge - edge.flatten()[0]).abs().max() < 0.05

    def test_all_images_differ(self, fruits):
        assert len(fruits.pixels.flatten(1).unique(dim=0)) == len(fruits) == 1080


class TestSubset:
    def test_it_keeps_images_and_values_in_order(self, fruits, classes):
        keep = classes[:, 1] == 4
        some = datasets.subset(fruits, keep, "purple")
        index = keep.nonzero()[:, 0]
        assert some.name == "purple"
        assert len(some) == 180
        assert torch.equal(some.images(torch.arange(180)), fruits.images(index))
        assert torch.equal(some.classes(torch.arange(180)), classes[index])
        assert torch.equal(some.find(classes[index[[7, 3]]]), torch.tensor([7, 3]))
        with pytest.raises(ValueError, match="has no image with"):
            some.find(classes[~keep][:1])

    def test_of_a_subset(self, fruits, classes):
        purple = datasets.subset(fruits, classes[:, 1] == 4)
        values = purple.classes(torch.arange(len(purple)))
        pears = datasets.subset(purple, values[:, 0] == 1)
        assert (pears.classes(torch.arange(len(pears)))[:, :2] == torch.tensor([1, 4])).all()

    @pytest.mark.parametrize(
        ("keep", "words"),
        [
            (torch.ones(7, dtype=torch.bool), "one bool for each of the 1080"),
            (torch.ones(1080, dtype=torch.int64), "dtype torch.int64"),
            (torch.zeros(1080, dtype=torch.bool), "keeps none"),
        ],
    )
    def test_a_bad_mask_is_refused(self, fruits, keep, words):
        with pytest.raises(ValueError, match=words):
            datasets.subset(fruits, keep)


class TestDesigns:
    def test_how_much_is_held_out(self, classes):
        counts = [int(combinations.held_out(classes, name).sum()) for name in combinations.DESIGNS]
        assert counts == [2 * 9, 5 * 9, 60 * 9]

    def test_a_small_black_apple_is_never_seen(self):
        wish = torch.tensor([new_combinations.SHOWN])
        assert all(combinations.held_out(wish, name) for name in combinations.DESIGNS)

    def test_easy_holds_out_no_pair_and_medium_one(self, classes):
        for design, missing in (("easy", 0), ("medium", 1), ("hard", 12)):
            seen = classes[~combinations.held_out(classes, design)]
            assert 24 - len(seen[:, :2].unique(dim=0)) == missing

    @pytest.mark.parametrize("design", combinations.DESIGNS)
    def test_every_single_value_is_seen(self, design, fruits, classes):
        seen = classes[~combinations.held_out(classes, design)]
        assert [len(column.unique()) for column in seen.T] == list(fruits.factors.sizes)

    def test_hard_is_balanced_and_two_kinds_share_one_colour(self, classes):
        seen = ~combinations.held_out(classes, "hard")
        table = torch.zeros(4, 6).index_put((classes[:, 0], classes[:, 1]), seen.float())
        assert (table.sum(1) == 3).all()
        assert (table.sum(0) == 2).all()
        shared = table @ table.T
        assert torch.equal(shared, torch.ones(4, 4) + 2 * torch.eye(4))

    @pytest.mark.parametrize(("design", "count"), [("easy", 16), ("medium", 40), ("hard", 60)])
    def test_neighbours_are_seen_and_one_change_away(self, design, count, classes):
        near = combinations.neighbours(classes, design)
        hole = combinations.held_out(classes, design)
        assert near.sum() == count * 9
        assert not (near & hole).any()
        holes = classes[hole][:, :3]
        for triple in classes[near][:: 9 * 7, :3]:
            differs = holes != triple
            assert ((differs.sum(1) == 1) & ~differs[:, 2]).any()

    def test_an_unknown_design_is_refused(self, classes):
        with pytest.raises(ValueError, match="'harder'; choose one of easy, medium, hard"):
            combinations.held_out(classes, "harder")

    @pytest.mark.parametrize("unseen", [True, False])
    @pytest.mark.parametrize("design", combinations.DESIGNS)
    def test_wishes_start_from_images_that_were_seen(self, design, unseen):
        wanted, donors = combinations.wishes(design, unseen)
        assert (combinations.held_out(wanted, design) == unseen).all()
        assert not combinations.held_out(donors, design).any()
        assert (wanted != donors).all()
        assert (wanted[::9] == wanted[8::9]).all()
        assert len(wanted[::9].unique(dim=0)) * 9 == len(wanted)
        assert torch.equal(donors, combinations.wishes(design, unseen)[1])

    def test_training_sets_lack_exactly_what_is_held_out(self):
        for design, count in (("easy", 118), ("medium", 115), ("hard", 60)):
            data = combinations.training_set(design)
            rows = data.classes(torch.arange(len(data)))
            assert len(data) == count
            assert not combinations.held_out(rows, design).any()


class TestAsking:
    @pytest.mark.parametrize("design", combinations.DESIGNS)
    def test_effects_of_a_sum_are_found_where_combinations_are_missing(self, design, middle):
        classes = middle.classes(torch.arange(120))
        code = additive_code(classes, middle.factors.sizes)
        seen = ~combinations.held_out(classes, design)
        base, parts = combinations.effects(code[seen], classes[seen], middle.factors.sizes)
        again = base + sum(part[classes[:, k]] for k, part in enumerate(parts))
        assert (again - code).abs().max() < 1e-4
        assert all(part.sum(0).abs().max() < 1e-4 for part in parts)

    def test_adding_effects_is_exact_for_a_sum_and_after_a_rotation(self, middle):
        classes = middle.classes(torch.arange(120))
        code = additive_code(classes, middle.factors.sizes)
        turn = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))[0]
        wanted, donors = combinations.wishes("hard", True)
        seen = ~combinations.held_out(classes, "hard")
        for z in (code, code @ turn):
            _, parts = combinations.effects(z[seen], classes[seen], middle.factors.sizes)
            there = z[middle.find(donors)]
            moved = combinations.move_codes(there, donors, wanted, parts)
            assert (moved - z[middle.find(wanted)]).abs().max() < 1e-3

    def test_setting_latents_is_exact_on_the_axes_only(self, middle):
        generator = torch.Generator().manual_seed(5)
        classes = middle.classes(torch.arange(120))
        owner = torch.tensor([1, 0, -1, 2, 1, 2, 0])
        tables = [torch.randn(v, 7, generator=generator) for v in middle.factors.sizes]
        code = torch.zeros(len(classes), 7)
        for k, table in enumerate(tables):
            code[:, owner == k] = table[classes[:, k]][:, owner == k]
        wanted, donors = combinations.wishes("medium", True)
        base, parts = combinations.effects(code, classes, middle.factors.sizes)
        there = code[middle.find(donors)]
        before = there.clone()
        put = combinations.set_latents(there, wanted, owner, base, parts)
        assert torch.equal(there, before)
        assert (put - code[middle.find(wanted)]).abs().max() < 1e-4
        other = combinations.set_latents(there, wanted, owner.roll(1), base, parts)
        assert (other - code[middle.find(wanted)]).abs().max() > 0.1

    def test_an_owner_needs_a_share_of_the_factor(self):
        information = torch.tensor([[0.9, 0.05, 0.3], [0.5, 0.09, 0.4]])
        entropy = torch.tensor([2.0, 1.0])
        assert combinations.owners(information, entropy).tolist() == [1, -1, 1]
        assert combinations.owners(information, entropy, 0.45).tolist() == [1, -1, -1]
        assert combinations.owners(information, torch.ones(2)).tolist() == [0, -1, 1]

    def test_the_code_of_labels_tells_all_combinations_apart(self, middle):
        code = combinations.labels_code(middle.classes(torch.arange(120)))
        assert code.shape == (120, 11)
        assert len(code.unique(dim=0)) == 120
        assert (code[:, :10].sum(1) == 2).all()
        assert code.abs().max() == 1

    def test_a_model_starts_with_the_average_image_and_codes_near_the_prior(self, middle):
        model = combinations.small_model(middle, 5)
        images = middle.images(torch.arange(120))
        with torch.no_grad():
            mean, log_var = model.encode(images)
            drawn = model.pictures(torch.zeros(1, 5))
        assert mean.abs().max() < 1
        assert log_var.abs().max() < 1
        assert (drawn[0] - images.mean(0)).abs().max() < 0.1

    def test_the_decoder_learns_to_draw(self, middle):
        model = combinations.fit_decoder(middle, 60, seed=1, progress=False)
        again = combinations.fit_decoder(middle, 60, seed=1, progress=False)
        code = combinations.labels_code(middle.classes(torch.arange(120)))
        with torch.no_grad():
            drawn, same = model.pictures(code), again.pictures(code)
        assert torch.equal(drawn, same)
        images = middle.images(torch.arange(120))
        assert (drawn - images).square().mean() < 0.5 * (images.mean(0) - images).square().mean()


class TestJudge:
    def test_it_is_right_about_images_that_it_never_saw(self, classifier, fruits, classes):
        known, test = referee.split(len(fruits))
        assert len(test) == 216
        assert not set(test.tolist()) & set(known.tolist())
        said = referee.classify(classifier, fruits.images(test), fruits.factors.sizes)
        right = 100 * (said == classes[test]).double().mean(0)
        noted = zoo.read(referee.path())[1]["accuracy"]
        assert right.min() > 98
        assert right.tolist() == pytest.approx([noted[n] for n in fruits.factors.names], abs=0.5)

    def test_the_nearest_image_of_an_image_is_itself(self, middle):
        index = torch.tensor([3, 77, 119])
        dimmed = (middle.images(index) + 0.01).clamp(0, 1)
        assert torch.equal(referee.nearest(dimmed, middle), index)

    @pytest.mark.parametrize("design", combinations.DESIGNS)
    def test_marks_of_true_images_and_of_copies(self, design, classifier, middle):
        wanted, donors = combinations.wishes(design, True)
        true = referee.marks(middle.images(middle.find(wanted)), wanted, design, classifier)
        assert min(true[name] for name in ("named", "kind", "colour", "size")) > 0.9
        assert (true["nearest"], true["copied"]) == (1, 0)
        copies = referee.marks(middle.images(middle.find(donors)), wanted, design, classifier)
        assert copies["named"] == 0
        assert copies["nearest"] == 0
        assert copies["copied"] == 1


class TestTables:
    def test_the_table_holds_every_model_and_way_to_ask(self, table):
        seeds = len(set(table["seed"]))
        assert seeds >= 3
        per_design = (3 * len(new_combinations.DRAWS) + 1) * 2 * seeds
        assert len(table["seed"]) == 3 * per_design
        for name in ("named", "kind", "colour", "size", "nearest", "copied"):
            assert table[name].min() >= 0
            assert table[name].max() <= 1
        assert (table["named"] <= np.minimum(table["kind"], table["colour"]) + 1e-9).all()

    @pytest.mark.parametrize("method", list(new_combinations.BETAS))
    def test_the_zoo_models_draw_what_the_table_says(self, method, table):
        name = new_combinations.zoo_name(method)
        drawn, wanted = new_combinations.drawn_by(zoo.load(name), method, "medium", True)
        classifier = referee.load()
        for draw, images in drawn.items():
            fits = (table["design"] == "medium") & (table["method"] == method)
            fits &= (table["seed"] == 0) & (table["draw"] == draw)
            fits &= table["combinations"] == "unseen"
            mark = referee.marks(images, wanted, "medium", classifier)
            assert mark["named"] == pytest.approx(table["named"][fits][0], abs=0.05)

    def test_the_kept_pictures_are_there_for_every_seed(self, table):
        path = datasets.data_folder() / "sweeps" / "new_combinations.npz"
        with np.load(path, allow_pickle=False) as file:
            shapes = {file[key].shape for key in file.files}
            assert len(file.files) == 3 * (3 * len(new_combinations.DRAWS) + 1)
        assert shapes == {(len(set(table["seed"])), 3, 24, 24)}
        assert path.stat().st_size < 500_000


def test_a_folder_with_other_settings_is_refused(tmp_path, middle, monkeypatch):
    model = combinations.small_model(middle, 3)
    path = new_combinations._file(tmp_path, "easy", "VAE", 0)
    notes = {"config": model.config, "seconds": 1.0} | new_combinations.settings()
    zoo.write(path, model.state_dict(), notes)
    assert new_combinations.load(tmp_path, "easy", "VAE", 0)[1]["seconds"] == 1.0
    monkeypatch.setattr(new_combinations, "STEPS", 7)
    with pytest.raises(ValueError, match="other settings"):
        new_combinations.load(tmp_path, "easy", "VAE", 0)


def test_a_whole_file_that_is_no_judge_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DVAE_DATA", str(tmp_path))
    zoo.write(referee.path(), {"weight": torch.zeros(3)}, {})
    with pytest.raises(zoo.DamagedFile, match="does not hold the referee"):
        referee.load()
