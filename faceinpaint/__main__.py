"""``python -m faceinpaint VERB``: the same as the command ``faceinpaint``."""

from faceinpaint.commands import main

if __name__ == "__main__":
    main()
