"""`python -m fastminima`."""

import sys

from fastminima.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
