"""faceinpaint serve, for `ray job submit`."""

from faceinpaint.commands import main

if __name__ == "__main__":
    main("serve")
