# SPDX-License-Identifier: MIT
"""The protocol of dask workers, asked before anything of this program is sent to them."""

import pkgutil
from collections.abc import Mapping

from distributed import Client

from stress.run.protocol import UNNUMBERED, require_protocol

PROTOCOL_NAME = "stress.run.protocol:PROTOCOL"


def require_worker_protocol(client: Client, addresses: Mapping[str, str]) -> None:
    """Raise LabError unless all workers, to which the plugin will go, speak the protocol of this program.

    They are asked by a function of the standard library, for other programs do not have this one's functions.

    Args:
        client: of their scheduler.
        addresses: of the workers, by name.
    """
    answers = client.run(pkgutil.resolve_name, PROTOCOL_NAME, on_error="return")
    for name, address in addresses.items():
        number = UNNUMBERED if isinstance(answers.get(address), ImportError) else answers.get(address)
        if isinstance(number, int):  # else it does not answer, which fingerprint() will say
            require_protocol(number, f"The connstorm of the worker {name}")
