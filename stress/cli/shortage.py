# SPDX-License-Identifier: MIT
"""What the operating system did not give, where it came up, in words: files, memory, threads, descriptors."""

import errno
import os
import resource

from stress.model.errors import ConnstormError, LabError, StoreError

# Errors of files that the user can do something about, wherever they come up.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FILE_ERRORS = (
    *(*NO_ROOM, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
)
NO_THREAD = "can't start new thread"  # of threading, which has no exception of its own for it
MIB = 1 << 20


def explain_file_error(error: OSError) -> str | None:
    """Return a sentence about a file that could not be used; None where the error is not about a file."""
    if error.errno not in FILE_ERRORS or not (error.filename or error.errno in NO_ROOM):
        return None
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else "A file"
    if error.errno == errno.EFBIG:
        return f"{where} could not be written: {os.strerror(error.errno)}; raise the limit (ulimit -f)."
    if error.errno in NO_ROOM:
        return f"{where} could not be written: {os.strerror(error.errno)}; make room, or choose another place."
    return f"{where} cannot be used: {os.strerror(error.errno)}; choose another place."


def explain_shortage(error: BaseException) -> ConnstormError | None:
    """Return in words what a limit of this process, or the system, did not give; None: an error is something else.

    Memory that runs out without a limit is something else: what asked for it may be a fault.
    """
    if isinstance(error, MemoryError):
        limits = limit_text(resource.RLIMIT_AS, "-v", MIB, " MiB"), limit_text(resource.RLIMIT_DATA, "-d", MIB, " MiB")
        few = " and ".join(filter(None, limits))
        return LabError(f"Memory ran out: {few} are too few; raise the limit, or ask for less.") if few else None
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        limit = limit_text(resource.RLIMIT_NPROC, "-u")
        return LabError(f"No thread could be started{after_colon(limit)}; raise the limit.")
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.EMFILE, errno.ENFILE):
        limit = limit_text(resource.RLIMIT_NOFILE, "-n") if error.errno == errno.EMFILE else ""
        return LabError(f"{os.strerror(error.errno)}{after_colon(limit)}; raise the limit, or ask for less.")
    if is_of_fork(error):
        limit = limit_text(resource.RLIMIT_NPROC, "-u") if error.errno == errno.EAGAIN else ""
        why = os.strerror(error.errno or 0)
        return LabError(f"No process could be started: {why}{after_colon(limit)}; raise the limit.")
    sentence = explain_file_error(error)
    return StoreError(sentence) if sentence else None


def is_of_fork(error: OSError) -> bool:
    """Return whether an error of too little is that of starting a process, not of a socket that would block."""
    if error.errno not in (errno.EAGAIN, errno.ENOMEM):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__") == "subprocess"


def limit_text(number: int, option: str, unit: int = 1, name: str = "") -> str:
    """Return a limit of this process with the option of ulimit that sets it; an empty text where there is none."""
    limit, _ = resource.getrlimit(number)
    return "" if limit == resource.RLIM_INFINITY else f"{limit // unit:,}{name} (ulimit {option})"


def after_colon(text: str) -> str:
    """Return a limit as it follows what it limits."""
    return f": {text}" if text else ""
