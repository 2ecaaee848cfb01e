"""``python -m hornet`` is ``hornet-server``."""

import sys

from hornet.cli import serve

sys.exit(serve())
