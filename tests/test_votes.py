"""Votes: what their HTML holds, and what readers with a mouse, keys, or no scripts get of them."""

import html
import json
import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dvae_helpers import page, slides

ARGUMENTS = {
    "question": "β rises from 1 to 8. What happens to the rate?",
    "choices": ["It rises", "It falls, at once & for all", "It stays <the same>"],
    "answer": 1,
    "because": "β is the price of a nat: what is dearer is bought less.",
}
AGAIN = "Which latent sleeps?", ["z₁", "z₂"], 0, "Its posterior is the prior."


@pytest.fixture
def show(open_html):
    """Opens a vote in a tab without network."""
    head = '<meta name="color-scheme" content="light dark"><meta charset="utf-8"><title>t</title>'
    return lambda content, **more: open_html(f"{head}{content}", offline=True, **more)


def marks(tab):
    return tab.evaluate(
        "() => [...document.querySelectorAll('.choices button')].map(b => b.className)"
    )


def test_a_wrong_vote_is_marked_and_told_the_reason_and_can_be_asked_again(show):
    tab = show(page.vote(**ARGUMENTS).html)
    reason = tab.get_by_role("status")
    assert tab.get_by_role("group", name=ARGUMENTS["question"]).count() == 1
    assert reason.text_content() == ""
    assert not tab.locator(".room").is_visible()
    height = tab.locator(".dvae-vote").bounding_box()["height"]
    tab.get_by_role("button", name="C It stays <the same>").click()
    assert reason.text_content() == f"No, it is B: {ARGUMENTS['because']}"
    assert marks(tab) == ["other", "right", "wrong"]
    assert tab.locator("[aria-pressed=true]").text_content() == "CIt stays <the same>✗"
    assert tab.locator(".dvae-vote").bounding_box()["height"] == height  # a slide stays as it is
    tab.get_by_role("button", name="B It falls").click(force=True)  # the vote is given
    assert marks(tab) == ["other", "right", "wrong"]
    tab.get_by_role("button", name="Ask again").click()
    assert (reason.text_content(), marks(tab)) == ("", ["", "", ""])
    tab.get_by_role("button", name="B It falls").click()
    assert reason.text_content() == f"Right: {ARGUMENTS['because']}"
    assert marks(tab) == ["other", "right", "other"]


def test_several_on_a_page_do_not_meet(show):
    tab = show(page.vote(**ARGUMENTS).html + page.vote(*AGAIN).html)
    tab.get_by_role("button", name="A z₁").click()
    assert marks(tab) == ["", "", "", "right", "other"]
    assert tab.get_by_role("status").all_text_contents() == ["", f"Right: {AGAIN[3]}"]


@pytest.mark.parametrize("key", ["Enter", " "])
def test_keys_vote_and_reach_the_page_only_once_the_vote_is_given(show, key):
    counter = "<script>seen = []; addEventListener('keydown', e => seen.push(e.key))</script>"
    tab = show(counter + page.vote(**ARGUMENTS).html)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press(key)
    assert marks(tab) == ["other", "right", "other"]
    tab.keyboard.press(key)
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("() => seen") == ["Tab", "Tab", key, "ArrowRight"]


def test_without_scripts_the_answer_is_folded(show):
    tab = show(page.vote(**ARGUMENTS).html, java_script_enabled=False)
    assert tab.get_by_text(ARGUMENTS["question"]).is_visible()
    assert tab.get_by_text("It stays <the same>").is_visible()
    assert tab.get_by_role("button").count() == 0
    answer = tab.locator("details p")
    assert not answer.is_visible()
    tab.locator("summary").click()
    assert answer.text_content() == f"B: {ARGUMENTS['choices'][1]}. {ARGUMENTS['because']}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_read_in_the_dark_and_on_a_telephone(show, scheme, width):
    size = {"viewport": {"width": width, "height": 700}}
    tab = show(page.vote(**ARGUMENTS).html, color_scheme=scheme, **size)
    tab.get_by_role("button", name="A It rises").click()
    for one in tab.locator(".dvae-vote button, .dvae-vote p").all():
        box = one.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        same = "(e) => getComputedStyle(e).color === getComputedStyle(document.body).color"
        assert one.evaluate(same)
    for one in tab.locator(".choices button").all():
        assert one.bounding_box()["height"] >= 24


def test_on_a_slide_the_keys_go_on_after_the_vote(show, parts, tmp_path, browser):
    cells = [new_markdown_cell("# First")]
    cells += [new_code_cell("0", outputs=[_output(page.vote(*AGAIN))])]
    cells += [new_markdown_cell("## Last")]
    for cell in cells:
        cell.metadata = {"slideshow": {"slide_type": "slide"}}
    deck = tmp_path / "deck.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    tab = show("")
    tab.goto(deck.as_uri())
    tab.evaluate("() => deck.ready")
    tab.evaluate("() => Reveal.slide(1)")
    tab.get_by_role("button", name="B z₂").focus()
    tab.keyboard.press("Space")
    assert tab.evaluate("() => Reveal.getIndices().h") == 1
    assert tab.get_by_role("status").text_content() == f"No, it is A: {AGAIN[3]}"
    letters = "(e) => parseFloat(getComputedStyle(e).fontSize)"
    assert tab.locator(".choices button").first.evaluate(letters) >= 20
    tab.keyboard.press("Space")
    assert tab.evaluate("() => Reveal.getIndices().h") == 2


def _output(vote):
    return new_output("display_data", vote._repr_mimebundle_())


def test_the_same_each_time_with_nothing_fetched_and_no_answer_in_plain_text():
    one = page.vote(**ARGUMENTS)
    assert one.html == page.vote(**ARGUMENTS).html
    assert not re.search(r"https?:|@import|url\(| id=", one.html)
    assert len(one.html) < 8_000
    plain = one._repr_mimebundle_()["text/plain"]
    assert plain.splitlines()[0] == ARGUMENTS["question"]
    assert plain.splitlines()[2] == "B: It falls, at once & for all"
    assert "price" not in plain


def test_texts_cannot_end_the_script_or_become_elements():
    bad = "</script><b>&"
    made = page.vote(bad, [bad, "other"], 0, bad).html
    assert made.count("</script>") == 2
    assert "<b>" not in made
    assert html.escape(bad) in made
    facts = json.loads(re.search(r'<script type="application/json">(.*?)</script>', made)[1])
    assert facts["question"] == facts["choices"][0] == facts["because"] == bad


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choices": ["one"]}, "list of two to 6 texts"),
        ({"choices": list("abcdefg")}, "list of two to 6 texts"),
        ({"choices": "ab"}, "list of two to 6 texts"),
        ({"choices": ["a", "a "]}, "texts that all differ"),
        ({"choices": ["a", ""], "answer": 0}, r"choices\[1\] is ''"),
        ({"choices": ["a", 3], "answer": 0}, r"choices\[1\] is 3"),
        ({"question": "  "}, "question is '  '"),
        ({"because": None}, "because is None"),
        ({"because": "$x$"}, "because has a [$] in it"),
        ({"answer": 3}, "answer is 3; expected 0 to 2"),
        ({"answer": -1}, "expected 0 to 2"),
        ({"answer": True}, "answer is True"),
        ({"answer": "B"}, "answer is 'B'"),
    ],
)
def test_bad_input_is_named(change, said):
    with pytest.raises(ValueError, match=said):
        page.vote(**(ARGUMENTS | change))
