"""Keeps gRPC's own log lines off standard error. Import it before anything that imports grpc."""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read once, when gRPC loads; child processes inherit it
