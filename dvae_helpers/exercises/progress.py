"""What is done and what is next, for the last cell of each notebook."""

from . import record
from .hints import Exercise, catalogue


def progress() -> None:
    """Prints which exercises are done, notebook by notebook, and which one is next.

    It is known from `~/.dvae_helpers/progress.json`, or from the file that the environment variable
    DVAE_PROGRESS names; with DVAE_PROGRESS=off nothing is kept or read. As long as nothing is
    done the text is always the same, so a notebook that was run under `off` needs no tag for nbval.

    Raises ValueError if that file is damaged.
    """
    done = {name for name, trace in record.traces().items() if trace.right}
    all_of = catalogue()
    done &= all_of.keys()
    if not done:
        print(
            "No exercise is done yet. Each check that says Right. is remembered and counted here."
        )
        print(f"Next: {_words(*next(iter(all_of.items())))}.")
        return
    print(f"Done: {len(done)} of {len(all_of)} exercises.")
    for notebook in dict.fromkeys(exercise.notebook for exercise in all_of.values()):
        names = [name for name, exercise in all_of.items() if exercise.notebook == notebook]
        circles = "".join("●" if name in done else "○" for name in names)
        count = f"{sum(name in done for name in names)} of {len(names)}"
        print(f"  {notebook:<28}{circles:<6} {count}")
    left = [name for name in all_of if name not in done]
    if not left:
        print("All are done.")
        return
    furthest = max(place for place, name in enumerate(all_of) if name in done)
    after = [name for name in list(all_of)[furthest:] if name not in done]
    following = (after or left)[0]
    print(f"Next: {_words(following, all_of[following])}.")


def _words(name: str, exercise: Exercise) -> str:
    return f"{exercise.notebook}, exercise {exercise.place} ({name})"
