"""`python -m matrix_entropy.command` is `matrix-entropy` where that is not installed."""

from matrix_entropy.command.main import main

raise SystemExit(main())
