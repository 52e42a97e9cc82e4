# SPDX-License-Identifier: MIT
"""Build the two engines and their reference. Everything else is in pyproject.toml.

CONNSTORM_DEBUG=1     bounds checks, assertions, no optimisation
CONNSTORM_SANITIZE=1  address and undefined-behaviour sanitizers (CONTRIBUTING.md says how to run the tests so)
CONNSTORM_ANNOTATE=1  HTML next to each .pyx that shows what each line became in C

The extensions use Python's limited API, so that one build serves 3.11, whose limited API is the first with buffers, and
every later version that has the GIL. No free-threaded Python loads such extensions (from 3.15 on there is an ABI of
their own, abi3t, PEP 803): for them there is a build for each version.
"""

import os
import subprocess
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup


def find_commit() -> str:
    """Return the commit that is built: CONNSTORM_COMMIT, else that of the checkout, if this is one; else ``''``."""
    if (commit := os.environ.get("CONNSTORM_COMMIT")) is not None:
        return commit
    if not (Path(__file__).parent / ".git").exists():
        return ""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # git is not installed
        return ""


debug = os.environ.get("CONNSTORM_DEBUG") == "1"
sanitize = os.environ.get("CONNSTORM_SANITIZE") == "1"
annotate = os.environ.get("CONNSTORM_ANNOTATE") == "1"

compile_args = ["-O0", "-g", "-UNDEBUG", "-Wall", "-Wextra", "-Wno-unused-parameter"] if debug else ["-O2"]
limited = not sysconfig.get_config_var("Py_GIL_DISABLED")
macros = [("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")] if limited else []
checks = [text for text, wanted in (("bounds checks", debug), ("sanitizers", sanitize)) if wanted]
macros += [("BUILD_COMMIT", f'"{find_commit()}"'), ("BUILD_CHECKS", f'"{", ".join(checks)}"')]
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
                define_macros=macros,
                py_limited_api=limited,
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
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if limited else {},
)
