"""``python -m stagegrad`` is the command ``stagegrad``."""

from stagegrad.cli import main

if __name__ == "__main__":
    main(prog_name="stagegrad")
