# SPDX-License-Identifier: MIT
"""Short names of settings: ``tcp_syn_retries`` or ``syn_retries`` for ``net.ipv4.tcp_syn_retries``."""

from stress.lab import sysctl
from stress.model.errors import UsageError
from stress.model.text import ambiguous_text, closest_match, matching_names

FULL = "net."  # what full names begin with: they are looked up by who reads or writes them
FOLDERS = ("net.core.", "net.ipv4.", "net.mptcp.", "net.netfilter.")  # interfaces have settings in others


def known_names() -> list[str]:
    """Return the settings that a short name can stand for: those of this machine, and those recorded of any kernel."""
    here = (name for folder in FOLDERS for name in sysctl.list_beginning(folder))
    return sorted({*sysctl.RECORDED, *sysctl.OF_WHOLE_HOST, *here})


def sysctl_matches(text: str) -> list[str]:
    """Return the settings that a name may stand for; a full name stands for itself, whether it exists or not."""
    return [text] if text.startswith(FULL) else matching_names(text, known_names())


def complete_sysctl(text: str) -> str:
    """Return the full name of a setting.

    Raises:
        UsageError: it is a short name of several settings, or of none.
    """
    matches = sysctl_matches(text)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(ambiguous_text(text, matches))
    by_last = {name.rpartition(".")[2]: name for name in known_names()}
    close = closest_match(text.rpartition(".")[2], by_last)
    suggestion = f"did you mean {by_last[close]}?" if close else "give its name, such as tcp_syn_retries."
    raise UsageError(f"There is no setting {text!r}, nor one that ends so; {suggestion}")
