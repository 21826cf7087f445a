"""`python -m knuckle`: the command, as launchers of several processes start it."""

import sys

from knuckle.cli import main

sys.exit(main())
