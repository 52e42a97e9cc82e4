# SPDX-License-Identifier: MIT
"""The kernel's word, if a plan asks for it and it can be had. Imports no numpy."""

from types import TracebackType
from typing import Self

from stress.lab.kernel_word.word import KernelWord, open_kernel_word
from stress.model.errors import LabError
from stress.model.plan import EvidenceSource


class AskedKernel:
    """The kernel's word, or why there is none. A context manager, which ends it on exit.

    Attributes:
        word: None where it was not asked for, or cannot be had, or does not tell 4-tuples.
        refusal: a sentence that says why there is none although it was asked for; empty otherwise.
    """

    def __init__(self, evidence: EvidenceSource) -> None:
        """Ask for it; has to come before the process enters its user namespace."""
        self.word: KernelWord | None = None
        self.refusal = ""
        if evidence is not EvidenceSource.KERNEL:
            return
        try:
            self.word = open_kernel_word()
        except LabError as error:
            self.refusal = f"The run goes on with counts: {error}"
            return
        if not self.word.is_complete:
            self.refusal = f"The run goes on with counts: {self.word.limits}"
            self.word.close()
            self.word = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.word is not None:
            self.word.close()
