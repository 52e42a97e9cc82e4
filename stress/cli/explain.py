# SPDX-License-Identifier: MIT
"""connstorm explain: the SYN ladder of this kernel and its settings."""

import click
import msgspec

from stress.analysis.attribution.ladder import build_ladder, override_sysctls
from stress.cli.options import SysctlSetting
from stress.cli.output import console, json_option, print_object
from stress.lab import host, sysctl
from stress.view.text.ladder_table import ladder_report


@click.command()
@click.option("--set", "settings", type=SysctlSetting(), multiple=True, help="as if a setting were so; repeatable")
@json_option
def explain(settings: tuple[tuple[str, str], ...], *, as_json: bool) -> None:
    r"""Say when this kernel sends a SYN again, and so how long a slow connect() takes.

    Settings are those of the host, not changed; --set asks what other values would do.

    \b
    Examples:
      connstorm explain
      connstorm explain --set net.ipv4.tcp_syn_retries=2 --set net.ipv4.tcp_syn_linear_timeouts=0
    """
    facts = host.read_host()
    sysctls = override_sysctls(sysctl.read_recorded(), dict(settings))
    rungs = build_ladder(facts, sysctls)
    if as_json:
        print_object({"kernel": facts.kernel, "jiffy_ns": facts.jiffy_ns, "ladder": msgspec.to_builtins(rungs)})
    else:
        console().print(ladder_report(facts, sysctls, rungs))
