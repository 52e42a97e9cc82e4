# SPDX-License-Identifier: MIT
"""Build the two engines and their reference. Everything else is in pyproject.toml.

CONNSTORM_DEBUG=1     bounds checks, assertions, no optimisation
CONNSTORM_SANITIZE=1  address and undefined-behaviour sanitizers (CONTRIBUTING.md says how to run the tests so)
CONNSTORM_ANNOTATE=1  HTML next to each .pyx that shows what each line became in C
"""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

debug = os.environ.get("CONNSTORM_DEBUG") == "1"
sanitize = os.environ.get("CONNSTORM_SANITIZE") == "1"
annotate = os.environ.get("CONNSTORM_ANNOTATE") == "1"

compile_args = ["-O0", "-g", "-UNDEBUG", "-Wall", "-Wextra", "-Wno-unused-parameter"] if debug else ["-O2"]
sanitizers = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] if sanitize else []

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"stress.{name}",
                [f"stress/{name}.pyx"],
                include_dirs=["stress"],
                depends=[
                    "stress/_compat.h",
                    "stress/_libc.pxd",
                    "stress/_address.pxd",
                    "stress/_attempt_socket.pxd",
                    "stress/_flights.pxd",
                    "stress/_limits.pxd",
                    "stress/_socket.pxd",
                    "stress/_stalls.pxd",
                    "stress/_storm.pxd",
                    "stress/_uses.pxd",
                    "stress/_bare_loop.h",
                ],
                extra_compile_args=compile_args + sanitizers,
                extra_link_args=sanitizers,
            )
            for name in ("_fastconnect", "_listener", "_reference")
        ],
        annotate=annotate,
        force=debug or sanitize or annotate,
        compiler_directives={
            "language_level": 3,
            "boundscheck": debug,
            "wraparound": False,
            "initializedcheck": debug,
            "cdivision": True,
            "binding": True,
            "embedsignature": True,
            "freethreading_compatible": True,
        },
    )
)
