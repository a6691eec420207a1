"""The faces: every factor changes what its name says, and nothing else."""

import itertools

import pytest
import torch

from dvae_helpers import faces

LENGTH, COLOUR, AGE, SKIN, SHAPE, BEARD, SMILE, POSE = range(8)
FRONT = 2  # the pose that looks straight out of the picture


def some_classes(n, seed):
    return faces.FACTORS.sample(n, torch.Generator().manual_seed(seed))


def with_value(classes, factor, value):
    changed = classes.clone()
    changed[:, factor] = value
    return changed


def change(classes, factor, one, other):
    """How much each pixel changes with the factor, in grey values: (B, 64, 64)."""
    pair = (faces.render(with_value(classes, factor, value)).int() for value in (one, other))
    first, second = pair
    return (first - second).abs().amax(1)


@pytest.mark.parametrize("factor", range(8))
def test_two_values_of_a_factor_are_told_apart_by_eye(factor):
    """In every drawing, at least 8 pixels change by 30 of 255 grey values or more."""
    classes = some_classes(60, 10 + factor)
    for one, other in itertools.combinations(range(faces.FACTORS.sizes[factor]), 2):
        clear = (change(classes, factor, one, other) >= 30).flatten(1).sum(1)
        assert clear.min() >= 8, (faces.FACTORS.names[factor], one, other, int(clear.min()))


def test_the_smile_changes_the_mouth_alone():
    classes = some_classes(80, 20)
    for one, other in itertools.combinations(range(5), 2):
        changed = change(classes, SMILE, one, other) > 0
        assert not changed[:, :34].any()  # rows from the nose up
        assert not changed[:, 54:].any()
        assert changed.flatten(1).sum(1).max() < 400


def test_facial_hair_changes_the_lower_face_and_grows_from_value_to_value():
    """A moustache or a beard has the hair's colour, and leaves room for the mouth."""
    classes = with_value(some_classes(80, 30), POSE, FRONT)
    moustache, more = (change(classes, BEARD, 0, value) > 0 for value in (1, 2))
    for changed in (moustache, more):
        assert not changed[:, :30].any()  # rows from the middle of the nose up
        assert not changed[:, 41:45, 29:35].any()  # the mouth
    assert (more | ~moustache).all()
    assert (more.flatten(1).sum(1) > 1.5 * moustache.flatten(1).sum(1)).all()
    bare, bearded = (with_value(classes, BEARD, value) for value in (0, 2))
    more_hair = (change(bearded, COLOUR, 0, 3) >= 30) & ~(change(bare, COLOUR, 0, 3) >= 30)
    assert (more_hair.flatten(1).sum(1) > 50).all()
    for brow in (change(bare, AGE, 0, 2), change(bearded, AGE, 0, 2)):
        assert (brow[:, :30] > 30).flatten(1).any(1).all()  # ages differ above the beard


def test_a_smile_bends_upwards():
    """Seen from the front, the ends of a happy mouth are higher than its middle."""
    classes = some_classes(40, 21)
    for factor, value in ((POSE, FRONT), (SKIN, 0), (AGE, 1), (BEARD, 0)):
        classes = with_value(classes, factor, value)
    rows, ends = torch.arange(16.0)[:, None], []
    for smile in (0, 1, 2, 3):
        mouth = faces.render(with_value(classes, SMILE, smile)).int().sum(1)[:, 35:51]
        dark = (420 - mouth).clamp(min=0).float()  # the line between the lips
        height = (dark * rows).sum(1) / dark.sum(1).clamp(min=1)
        ends.append(height[:, [27, 36]].mean(1) - height[:, 31:33].mean(1))
    for sadder, happier in itertools.pairwise(ends):
        assert (happier < sadder).all()
    assert (ends[0] > 0.3).all()
    assert (ends[3] < -0.3).all()


def test_colours_leave_the_wall_and_each_other_as_they_are():
    """The hair's colour changes no pixel of pure skin, the skin's colour none of pure hair."""
    classes = some_classes(80, 22)
    hair = change(classes, COLOUR, 0, 2) > 0
    skin = change(classes, SKIN, 0, 3) > 0
    corner = torch.zeros(64, 64, dtype=torch.bool)
    corner[:8, :8] = True
    assert not (hair | skin)[:, corner].any()
    for mask in (hair & ~skin, skin & ~hair):
        assert (mask.flatten(1).sum(1) > 60).all()
    # Where they meet, pixels are mixed at an edge, or eyebrows and shadows lie on the skin.
    assert ((hair & skin).flatten(1).sum(1) < 0.6 * (hair | skin).flatten(1).sum(1)).all()


def test_the_colours_are_those_that_are_named():
    classes = some_classes(60, 23)
    whole = faces.render(with_value(classes, SKIN, 0)).int()
    hair = change(classes, COLOUR, 0, 2) > 90
    hair &= (whole - faces.render(with_value(classes, SKIN, 3)).int()).abs().amax(1) == 0
    for colour, name in enumerate(faces.COLOURS):
        images = faces.render(with_value(classes, COLOUR, colour)).float()
        red, green, blue = images.permute(1, 0, 2, 3)[:, hair].mean(1).tolist()
        assert {
            "black": max(red, green, blue) < 60,
            "brown": 50 < red < 140 and red > 1.5 * green > 1.5 * blue,
            "blond": red > green > 1.5 * blue and green > 140,
            "grey": max(red, green, blue) < 1.15 * min(red, green, blue) and red > 130,
        }[name], (name, red, green, blue)
    nose = [
        faces.render(with_value(with_value(classes, SKIN, skin), POSE, FRONT))[:, :, 32, 32]
        for skin in range(4)
    ]
    for lighter, darker in itertools.pairwise(nose):
        assert (darker.float().mean(1) < lighter.float().mean(1) - 15).all()


def test_longer_hair_reaches_further_down():
    classes = with_value(some_classes(80, 24), BEARD, 0)
    reach = []
    for length in range(3):
        hair = change(with_value(classes, LENGTH, length), COLOUR, 0, 2) > 50
        line = torch.arange(64)
        reach.append(torch.where(hair.any(2), line, 0).amax(1))
    short, chin, long = reach
    assert (chin > short + 4).all()
    assert (long > chin + 8).all()
    assert (long == 63).all()


def test_the_face_turns_where_the_pose_says():
    """The mouth moves from pose to pose, and further than the outline of the head."""
    classes = with_value(some_classes(60, 25), COLOUR, 0)
    line = torch.arange(64.0)
    mouths, heads = [], []
    for pose in range(5):
        turned = with_value(classes, POSE, pose)
        mouth = (change(turned, SMILE, 0, 4) > 20).any(1)
        mouths.append((mouth * line).sum(1) / mouth.sum(1))
        images = faces.render(turned).int()
        head = ((images - images[:, :, :1, :1]).abs().amax(1) > 3)[:, 20:30].any(1)
        heads.append((head * line).sum(1) / head.sum(1))
    for left, right in itertools.pairwise(range(5)):
        step = mouths[right] - mouths[left]
        assert (step > 1).all()
        assert (step > (heads[right] - heads[left]).abs()).all()


def test_age_changes_neither_hair_nor_skin_colour():
    """Children can have grey hair: on the grid, age and hair colour are separate factors."""
    classes = with_value(with_value(some_classes(40, 26), COLOUR, 3), POSE, FRONT)
    top = [faces.render(with_value(classes, AGE, age))[:, :, 4:10, 32] for age in range(3)]
    for one in top[1:]:
        assert torch.equal(one, top[0])


def test_edges_are_smooth():
    """Where the wall meets the head there are pixels of neither colour: no stairs."""
    classes = with_value(some_classes(30, 27), COLOUR, 0)
    images = faces.render(classes)[:, 0, :20].int()
    between = (images > 70) & (images < 160)
    assert (between.flatten(1).sum(1) > 8).all()


def test_names():
    names = (faces.LENGTHS, faces.COLOURS, faces.AGES, faces.SHAPES)
    names += (faces.BEARDS, faces.SMILES, faces.POSES)
    sizes = [size for k, size in enumerate(faces.FACTORS.sizes) if k != SKIN]
    assert [*map(len, names)] == sizes
    assert faces.describe([[2, 2, 2, 1, 0, 1, 0, 1], [0, 3, 0, 3, 2, 2, 4, 2]]) == [
        "old adult, long blond hair, skin tone 2 of 4, oval face, moustache, sad, turned left",
        "child, short grey hair, skin tone 4 of 4, round face, full beard, laughing, "
        "turned to the front",
    ]
