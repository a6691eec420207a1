"""One module for each command: HELP, add_arguments(parser) and run(options) -> exit status.

`options.py` reads words, numbers and devices for all of them; `trained.py` finds a model.
"""

NAMES = (
    *("doctor", "train", "sweep", "score", "explore"),
    *("slides", "handout", "grade", "site", "bench"),
)
