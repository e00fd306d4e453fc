"""Builds the package: maturin, with the flags of the rest of the repository taken back.

Programs of the repository are linked statically (`.cargo/config.toml`). Nothing that is can be loaded into an interpreter, and of flags
in configuration files of cargo none can be taken back but by this variable.
"""

import os

os.environ.setdefault("RUSTFLAGS", "-C target-feature=-crt-static")

from maturin import *  # noqa: E402, F403
