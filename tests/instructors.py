"""The minutes of each deck, counted from its words, for the table in INSTRUCTORS.md.

`python tests/instructors.py` writes the table anew. With the number of a notebook behind it, as
`python tests/instructors.py 03`, it lists the minutes of its sections: what could be left out?
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from dvae_helpers import slides

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "INSTRUCTORS.md"
MADE = re.compile(r"(?<=<!-- minutes -->\n).*?(?=<!-- end -->)", re.S)
PLAN = re.compile(r"(?<=<!-- plan -->\n).*?(?=<!-- end -->)", re.S)
HOUR = 60
# Calm speech; then the time to look at what is not read aloud. In minutes.
WORD, FORMULA, FIGURE, LINE, VOTE = 1 / 130, 1 / 3, 2 / 3, 1 / 20, 2


@dataclass
class Section:
    """level: of its heading, 1 to 4. minutes: of talk, without what stands under lower headings."""

    title: str
    level: int
    minutes: float = 0.0
    votes: int = 0


@dataclass
class Lecture:
    """exercises: minutes of each, None for one that takes an evening."""

    title: str
    sections: list[Section]
    exercises: dict[int, int | None]

    @property
    def votes(self) -> int:
        return sum(one.votes for one in self.sections)

    @property
    def talk(self) -> float:
        return sum(one.minutes for one in self.sections)

    def within(self, title: str) -> float:
        """Minutes of a section, its votes and all that stands under it."""
        start = next((i for i, one in enumerate(self.sections) if one.title == title), None)
        if start is None:
            raise ValueError(f"{self.title} has no section {title!r}; INSTRUCTORS.md names it.")
        inside = [self.sections[start]]
        for one in self.sections[start + 1 :]:
            if one.level <= inside[0].level:
                break
            inside.append(one)
        return sum(one.minutes + VOTE * one.votes for one in inside)


def lecture(path: Path) -> Lecture:
    notebook = nbformat.read(path, as_version=4)
    found, exercises = [Section("", 1)], {}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if "solution" in tags or kind in ("skip", "notes"):  # notes are not read aloud
            continue
        if cell.cell_type == "code":
            shown = "hide-input" not in tags
            found[-1].minutes += LINE * shown * len(cell.source.splitlines())
            kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
            vote = "dvae-vote" in str(cell.outputs)
            found[-1].votes += vote
            figures = sum(kind in ("image/png", "image/svg+xml", "text/html") for kind in kinds)
            found[-1].minutes += FIGURE * figures * (not vote)
            continue
        for line in re.split(r"^(?=#{1,4} )", cell.source, flags=re.M):
            heading = re.match(r"(#{1,4}) (.+)", line)
            if heading:
                found.append(Section(heading[2].strip(), len(heading[1])))
                if exercise := re.match(r"Exercise (\d+): .*?(?:\((\d+) minutes|$)", heading[2]):
                    exercises[int(exercise[1])] = int(exercise[2]) if exercise[2] else None
            text, formulas = re.subn(r"\$\$.*?\$\$", " ", line, flags=re.S)
            words = len(re.findall(r"[^\W\d_][\w'’-]*", re.sub(r"\$[^$]*\$", " formula ", text)))
            found[-1].minutes += WORD * words + FORMULA * formulas
    return Lecture(slides._title(notebook), found, exercises)


def lectures() -> dict[str, Lecture]:
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return {path.stem[:2]: lecture(path) for path in paths}


def plans(page: str) -> dict[str, tuple[list[int], list[str]]]:
    """For each lecture: the exercises to do in class, and the titles of sections to leave out."""
    found = {}
    for line in PLAN.search(page)[0].splitlines()[2:]:
        number, inside, _, cuts, *_ = (part.strip() for part in line.strip("|").split("|"))
        exercises = [int(one) for one in re.findall(r"\d+", inside)]
        found[number] = exercises, re.findall(r"\*(.+?)\*", cuts)
    return found


def table(page: str) -> str:
    rows = [
        "| lecture | talk | votes | exercises in class | all | after the cuts |",
        "|---|---|---|---|---|---|",
    ]
    planned = plans(page)
    for number, one in lectures().items():
        inside, cuts = planned.get(number, ([], []))
        own = sum(one.exercises[each] or 0 for each in inside)
        whole = one.talk + VOTE * one.votes + own
        left = whole - sum(one.within(title) for title in cuts)
        rows.append(
            f"| {one.title} | {one.talk:.0f} | {one.votes} | {own} | {whole:.0f} | {left:.0f} |"
        )
    return "\n".join(rows) + "\n"


def main() -> None:
    if len(sys.argv) > 1:
        for one in lectures()[sys.argv[1]].sections:
            votes = f"  {one.votes} votes" if one.votes else ""
            print(f"{one.minutes:5.1f}  {'  ' * (one.level - 1)}{one.title}{votes}")
        return
    page = PAGE.read_text("utf-8")
    PAGE.write_text(MADE.sub(lambda _: table(page), page, count=1), "utf-8")


if __name__ == "__main__":
    main()
