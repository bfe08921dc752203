"""`python -m archimage`, the same as the command `archimage`."""

from archimage.cli.main import main

if __name__ == "__main__":
    main()
