# SPDX-License-Identifier: MIT
"""A process outside the benchmarks' user namespace, which turns the kernel's word on and off for them."""

import multiprocessing

from stress.lab.kernel_word.word import open_kernel_word
from stress.model.errors import LabError


class KernelWordHolder:
    """Started before the namespace is entered: inside, nothing can be loaded."""

    def __init__(self):
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        context.Process(target=hold, args=(theirs, self.connection), daemon=True).start()

    def switch_on(self, namespace_inode):
        """Hear a namespace; return nothing, or why that is not possible."""
        self.connection.send(namespace_inode)
        return self.connection.recv()

    def switch_off(self):
        """End the programs; return the counts, the number of events and of those that were lost."""
        self.connection.send(None)
        return self.connection.recv()


def hold(connection, others):
    """Open and close the word as asked, until the other end is closed."""
    others.close()
    word = None
    while True:
        try:
            inode = connection.recv()
        except EOFError:
            return
        if inode is None:
            connection.send((word.counts(), len(word.drain()), word.lost))
            word.close()
        else:
            try:
                word = open_kernel_word()
                word.watch(inode)
                connection.send("")
            except LabError as error:
                connection.send(str(error))
