# SPDX-License-Identifier: MIT
"""The process of ``program_copies``: it imports what verbs need, and makes a copy of itself for each run.

It has one thread and opens nothing but the socket at which it is asked, so that a copy is what a process started anew
is once it has imported as much.
"""

import atexit
import gc
import importlib
import json
import os
import selectors
import socket
import sys
import threading
from pathlib import Path

MESSAGE_MAX_BYTES = 1 << 18
NEW = "new"  # namespaces as unshare(1) makes them
HERE = "here"


def serve_copies(control):
    """Make copies until nobody can ask any more; a copy returns from here."""
    running = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    tell_end(selector, running, key.fileobj)
                    continue
                message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_MAX_BYTES, 4)
                if not message:
                    sys.exit()
                *streams, told = descriptors
                pid = os.fork()
                if pid == 0:
                    for other in (*running, *(told for _, told in running.values()), told):
                        os.close(other)
                    selector.close()
                    control.close()
                    return json.loads(message), streams
                os.write(told, f"{pid}\n".encode())
                for descriptor in streams:
                    os.close(descriptor)
                watch = os.pidfd_open(pid)
                running[watch] = pid, told
                selector.register(watch, selectors.EVENT_READ)


def tell_end(selector, running, watch):
    """Say how a copy ended."""
    pid, told = running.pop(watch)
    selector.unregister(watch)
    os.close(watch)
    os.write(told, str(os.waitpid(pid, 0)[1]).encode())
    os.close(told)


def enter(place):
    """Enter the namespaces of a process, or new ones."""
    from stress.lab import namespace

    failure = 0
    if place == NEW:
        user, group = os.geteuid(), os.getegid()
        failure = namespace.unshare(namespace.CLONE_NEWUSER | namespace.CLONE_NEWNET)
        if not failure:
            namespace.map_user(0, user, 0, group)
    elif place != HERE:
        kinds = {"user": namespace.CLONE_NEWUSER, "net": namespace.CLONE_NEWNET}
        theirs = [(Path(f"/proc/{place}/ns/{kind}"), flag) for kind, flag in kinds.items()]
        others = [(path, flag) for path, flag in theirs if not path.samefile(f"/proc/self/ns/{path.name}")]
        opened = [(os.open(path, os.O_RDONLY), flag) for path, flag in others]
        for descriptor, flag in opened:
            failure = failure or namespace.enter_network(descriptor, flag)
            os.close(descriptor)
    if failure:
        sys.exit(f"no namespace for a copy: {os.strerror(failure)}")


def become(question, streams):
    """Make of this process, which is a copy, one that was started with arguments, variables, a folder and streams."""
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
        os.close(descriptor)
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)  # noqa: SIM115  # for good
    sys.stderr = open(2, "w", 1, encoding=sys.stderr.encoding, errors=sys.stderr.errors, closefd=False)  # noqa: SIM115  # for good
    os.environ.clear()
    os.environ.update(question["variables"])
    os.chdir(question["folder"])
    sys.argv[1:] = question["arguments"]
    enter(question["place"])


def load():
    """Import what verbs import; start no thread and open nothing."""
    import numpy.ma  # noqa: F401
    import pyroute2  # noqa: F401
    import scipy.stats  # noqa: F401
    from matplotlib.backends import backend_agg  # noqa: F401

    from stress.cli import main

    for verb in main.VERBS:
        importlib.import_module(f"stress.cli.{verb.replace('-', '_')}")


def leave(code):
    """End as Python does, but without giving back its memory piece by piece."""
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    asked = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = ""  # as of python -m
    load()
    gc.freeze()  # or each copy would copy all of it when Python looks for what nobody holds
    import stress.__main__
    from stress.cli.entry import main

    sys.argv = [stress.__main__.__file__]
    become(*serve_copies(asked))
    try:
        main()
    except SystemExit as end:
        leave(end.code)
