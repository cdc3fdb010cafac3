"""``python -m longwire`` is the ``longwire`` command."""

import sys

from longwire.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
