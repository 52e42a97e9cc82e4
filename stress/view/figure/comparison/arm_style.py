# SPDX-License-Identifier: MIT
"""What a figure of several arms says about them: title and caption."""

from collections.abc import Sequence

from stress.analysis.comparison.arm import Arm
from stress.model.record import Record
from stress.model.text import join_words, plural
from stress.model.units import kernel_phrases


def scenarios_text(arms: Sequence[Arm]) -> str:
    """Return the scenarios of the arms' runs: ``'closewait'``."""
    return join_words(sorted({run.record.plan.scenario for arm in arms for run in arm.runs})) or "no runs"


def title_of(arms: Sequence[Arm]) -> str:
    """Return what is compared: ``'closewait: new against base'``."""
    base, *others = [arm.label for arm in arms] or [""]
    labels = f"{join_words(others)} against {base}" if others else base
    return f"{scenarios_text(arms)}: {labels}"


def record_phrases(record: Record) -> list[str]:
    """Return the kernel, its settings and the program of a run, as phrases."""
    sysctls = [f"{name}={value}" for name, value in sorted(record.plan.sysctls.items())]
    return [*kernel_phrases(record.host.kernel, record.host.jiffy_ns), *sysctls, record.program]


def caption_of(arms: Sequence[Arm]) -> list[str]:
    """Return what all arms have in common, then the number of trials of each and what is particular to it."""
    phrases = [list(dict.fromkeys(phrase for run in arm.runs for phrase in record_phrases(run.record))) for arm in arms]
    common = [phrase for phrase in (phrases[0] if phrases else []) if all(phrase in parts for parts in phrases)]
    return [
        *common,
        *(
            f"{arm.label}: {', '.join([trials_text(arm), *(phrase for phrase in parts if phrase not in common)])}"
            for arm, parts in zip(arms, phrases, strict=True)
        ),
    ]


def trials_text(arm: Arm) -> str:
    """Return the number of trials of an arm, and their size: ``'6 trials of 20,000 attempts'``."""
    sizes = sorted({len(run.attempts) for run in arm.runs})
    text = plural(len(arm.runs), "trial")
    return (
        f"{text} of {' to '.join(f'{size:,}' for size in dict.fromkeys((sizes[0], sizes[-1])))} attempts"
        if sizes
        else text
    )
