"""`python -m kith` is `kith`: how `kith up` starts its workers, whatever the path holds."""

from kith.cli import main

if __name__ == "__main__":
    main()
