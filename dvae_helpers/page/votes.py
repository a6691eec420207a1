"""A question to answer before the figure is seen, with its reason afterwards; no kernel needed."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass

from .component import VOTE_STYLE, script

_LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Vote:
    """A question as a notebook's output, on a slide, in a page; `.html` is its text for a page.

    Where scripts run, the choices are buttons, and the first one that is pressed is judged. Where
    they do not, the choices are a list, with the answer folded under it.
    """

    question: str
    choices: tuple[str, ...]
    answer: int
    because: str

    @property
    def html(self) -> str:
        facts = {"question": self.question, "choices": self.choices}
        facts |= {"answer": self.answer, "because": self.because}
        return _FRAME.format(
            style=VOTE_STYLE,
            question=html.escape(self.question),
            choices="".join(f"<li>{html.escape(choice)}</li>" for choice in self.choices),
            right=f"{_LETTERS[self.answer]}: {html.escape(self.choices[self.answer])}",
            because=html.escape(self.because),
            facts=json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c"),
            script=script("vote"),
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        lines = [f"{_LETTERS[n]}: {choice}" for n, choice in enumerate(self.choices)]
        return {"text/html": self.html, "text/plain": "\n".join([self.question, *lines])}


def vote(question: str, choices: Sequence[str], answer: int, because: str) -> Vote:
    """A question to answer before looking: what will be seen, or how large is it?

    choices: two to six texts; a page calls them A, B, C, ... answer: the place of the right one in
    `choices`, counted from 0. because: the reason, which is shown once somebody has chosen.
    All texts are plain; for formulas use Unicode, as in "β = 4", "z₁", "σ²".

    In a notebook it is the last line of a cell that is tagged `hide-input` and whose source is
    hidden (`"jupyter": {"source_hidden": true}`), since the source has the answer in it. Its
    output is the same each time.

    Raises ValueError for fewer than two choices or more than six, two that are the same, an empty
    text, a text with a formula between dollars, and an `answer` that is no place of a choice.
    """
    if isinstance(choices, str) or not 2 <= len(choices) <= len(_LETTERS):
        raise ValueError(
            f"choices is {choices!r}; expected a list of two to {len(_LETTERS)} texts."
        )
    for name, text in (("question", question), ("because", because), *enumerate(choices)):
        where = name if isinstance(name, str) else f"choices[{name}]"
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{where} is {text!r}; expected a text that is not empty.")
        if "$" in text:
            raise ValueError(
                f"{where} has a $ in it: {text!r}. A vote sets no formulas; write them as plain "
                "text with Unicode letters, such as β, σ² or z₁."
            )
    if len({choice.strip() for choice in choices}) < len(choices):
        raise ValueError(f"choices is {list(choices)!r}; expected texts that all differ.")
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise ValueError(f"answer is {answer!r}; expected the place of the right choice, from 0.")
    if not 0 <= answer < len(choices):
        raise ValueError(
            f"answer is {answer}; expected 0 to {len(choices) - 1}, since there are "
            f"{len(choices)} choices."
        )
    return Vote(question, tuple(choices), answer, because)


_FRAME = """<div class="dvae-vote" data-lm-suppress-shortcuts="true">
<style>
{style}</style>
<div class="still">
<p class="question">{question}</p>
<ol type="A">{choices}</ol>
<details><summary>The answer, with its reason</summary><p>{right}. {because}</p></details>
</div>
<script type="application/json">{facts}</script>
<script>
(() => {{
const root = document.currentScript.closest(".dvae-vote");
if (!root || !root.querySelector(".still")) return;
{script}
vote(root, JSON.parse(root.querySelector("script").textContent));
}})();
</script>
</div>
"""
