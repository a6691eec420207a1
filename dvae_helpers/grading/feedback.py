"""A page for a student: each exercise with its verdict, what the check said, and the answer."""

import html
from collections.abc import Mapping
from typing import Any

_WORDS = {
    "right": "Right",
    "wrong": "Not yet",
    "crashed": "Your code stopped",
    "unanswered": "Not answered",
    "missing": "Not found",
    "not reached": "Not reached",
}


def page(result: Any, catalogue: Mapping[str, Any]) -> str:
    """The page of one student as HTML. Everything that came from the student is shown as text."""
    rows = []
    for name, (kind, words) in result.answers.items():
        about = catalogue[name]
        code = result.code.get(name, "")
        parts = [
            f"<h2>{about.notebook}, exercise {about.place}: {name}</h2>",
            f'<p class="{kind.replace(" ", "-")}"><b>{_WORDS[kind]}.</b></p>',
        ]
        if kind != "right":
            parts.append(f"<pre>{html.escape(words)}</pre>")
        if code:
            parts.append(
                f"<details><summary>Your answer</summary><pre>{html.escape(code)}</pre></details>"
            )
        rows.append("\n".join(parts))
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in result.notes)
    return _PAGE.format(
        student=html.escape(result.student),
        right=result.right,
        of=len(result.answers),
        notes=f"<ul>{notes}</ul>" if notes else "",
        rows="\n".join(rows),
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{student}: {right} of {of}</title>
<style>
body {{ font: 17px/1.45 sans-serif; margin: 2em auto; max-width: 48em; padding: 0 1em; }}
h2 {{ font-size: 1.1em; margin-bottom: 0.2em; }}
p {{ margin: 0.2em 0; }}
pre {{ border-left: 4px solid #888; overflow-x: auto; padding-left: 0.8em; white-space: pre-wrap; }}
.right {{ border-left: 4px solid #0072b2; padding-left: 0.8em; }}
</style>
</head>
<body>
<main>
<h1>{student}: {right} of {of} exercises are right</h1>
{notes}
{rows}
</main>
</body>
</html>
"""
