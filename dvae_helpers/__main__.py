"""The course's commands: `python -m dvae_helpers COMMAND --help`."""

import importlib
import sys

from .commands import NAMES
from .commands.options import Formatter, Parser


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; what it cannot do becomes one line of errors and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if not arguments:
            raise ValueError(
                f"no command; give one of {', '.join(NAMES)}. "
                "What they do: python -m dvae_helpers --help"
            )
        options = _parser().parse_args(arguments)
        return options.run(options)
    except ModuleNotFoundError as error:
        said = (
            f"the Python package {error.name!r} is not installed. Install the course: "
            'python -m pip install -c constraints.txt -e ".[course]"'
        )
    except ValueError as error:  # files that cannot be written are among them
        said = " ".join(str(error).split())
    except OSError as error:
        said = (
            f"{error}. See whether the disk is full, and whether you may read and write there; "
            "then give the same command again."
        )
    except (MemoryError, RuntimeError) as error:  # torch has no kind of its own for the processor
        if not (isinstance(error, MemoryError) or _of_memory(str(error))):
            raise
        said = (
            "there is not enough memory. Give smaller numbers (--hidden, --latents, --batch-size, "
            "--images, --jobs), or close other programs and notebooks."
        )
    except KeyboardInterrupt:
        said = "stopped. Give the same command to start again."
    print(f"Error: {said}", file=sys.stderr)
    return 2


def _of_memory(said: str) -> bool:
    return "out of memory" in said or "allocate memory" in said


def _parser() -> Parser:
    parser = Parser(prog="python -m dvae_helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in NAMES:
        module = importlib.import_module(f".commands.{name}", __package__)
        more = getattr(module, "PARSER", {})
        command = commands.add_parser(name, help=module.HELP, formatter_class=Formatter, **more)
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
