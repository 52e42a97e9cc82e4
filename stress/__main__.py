# SPDX-License-Identifier: MIT
"""``python -m stress`` is the same program as ``connstorm``."""

from stress.cli.entry import main

if __name__ == "__main__":
    main()
