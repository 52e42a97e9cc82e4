# SPDX-License-Identifier: MIT
"""connstorm run-cell: one plan, in this process, in a namespace that it enters first."""

import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec

from stress.cli.shortage import explain_shortage
from stress.cli.verb import Verb
from stress.lab import namespace, network_namespace, sysctl
from stress.lab.cgroup_programs import inside_cgroup
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.pdeathsig import die_with_parent
from stress.lab.perf import Recording
from stress.lab.signals import CANCEL, INTERRUPTING, FirstInterrupt
from stress.model.arm import SuiteArm
from stress.model.errors import INTERRUPTED, ConnstormError, LabError, UsageError
from stress.model.plan import Plan
from stress.run.protocol import Done, decode_plan

UNSTORED = "interrupted; nothing was stored"


@click.command("run-cell", cls=Verb, hidden=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="where the run folder will be")
@click.option("--settle", "settle_s", type=float, default=0.0, help="wait for a quiet machine, so many seconds at most")
@click.option("--draw/--no-draw", default=True, help="make the figures")
@click.option("--set-host", is_flag=True, help="with a plan for the host: set its settings there, and restore them")
# --envoy is what protocol 1 calls it; its requests are refused in words.
@click.option("--agent", "--envoy", is_flag=True, help="run the trial that another host requests, send its run folder")
@click.option("--whole", is_flag=True, help="fail where SIGINT or SIGTERM ended the storm")
@click.option("--alone", is_flag=True, help="this machine, a guest, is the run's own: take it in place of a namespace")
@click.option("--netns", help="with a plan against the server of others: enter this network namespace")
@click.option("--remote-connstorm", metavar="COMMAND", help="with a plan across a link: what starts connstorm there")
@click.option("--arm", "arm_text", metavar="JSON", help="of a suite: start this server, and storm it in a namespace")
@click.option("--profile", "profile_hz", type=int, help="sample all CPUs during the storms, so many times a second")
@click.option("--attest", is_flag=True, help="print what this host is, and nothing else")
def run_cell(
    output: Path | None,
    settle_s: float,
    netns: str | None,
    remote_connstorm: str | None,
    arm_text: str | None,
    *,
    profile_hz: int | None,
    draw: bool,
    set_host: bool,
    whole: bool,
    alone: bool,
    agent: bool,
    attest: bool,
) -> None:
    """Carry out the plan on standard input; print what happens as JSON, one event per line."""
    signal.signal(CANCEL, signal.SIG_DFL)  # whatever ignored it before
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing has begun
    die_with_parent(CANCEL)
    if attest:
        print_fingerprint(alone=alone)
        return
    if agent:
        from stress.suite.executor.agent import serve_request  # noqa: PLC0415  # numpy comes with it

        serve_request(sys.stdin.buffer, sys.stdout.buffer)
        return
    if output is None:
        raise UsageError("run-cell needs --output, the folder where the run folder will be.")
    try:
        plan = decode_plan(sys.stdin.buffer.read())
        arm = None if arm_text is None else msgspec.json.decode(arm_text, type=SuiteArm)
        asked = AskedKernel(plan.evidence)  # nothing can be loaded into the kernel from a user namespace
        with (
            inside_cgroup(plan.cgroup),
            Recording(output, profile_hz) if profile_hz else nullcontext() as recording,  # nor sampled from there
        ):
            enter_place(plan, netns, arm, alone=alone)
            # numpy starts threads, and a process with threads cannot enter a namespace: only now. An interrupt until
            # here ends this process, which its parent understands: in the middle of an import it could become anything.
            from stress.run import cell  # noqa: F401, PLC0415

            interrupt = FirstInterrupt(*INTERRUPTING)
            at = (output, settle_s, netns, remote_connstorm)
            path = carry_out(plan, arm, asked, *at, recording=recording, draw=draw, set_host=set_host)
        if whole and interrupt.received is not None:
            print_failure(UNSTORED, INTERRUPTED, LabError.__name__)
        print_event(Done(str(path)))
    except ConnstormError as error:
        print_failure(str(error), error.exit_code, type(error).__name__)
    except KeyboardInterrupt:
        print_failure(UNSTORED, INTERRUPTED, LabError.__name__)
    except (MemoryError, OSError, RuntimeError) as error:
        if shortage := explain_shortage(error):
            print_failure(f"{shortage} Nothing was stored.", shortage.exit_code, type(shortage).__name__)
        raise


def enter_place(plan: Plan, netns: str | None, arm: SuiteArm | None, *, alone: bool) -> None:
    """Enter the namespace in which a plan is carried out; that is a new one, unless it asks for another."""
    if netns is not None:
        network_namespace.enter(netns)
    elif arm is not None:  # whose server is the user's: it is run as the user is, not as a root that is none
        namespace.enter_namespace(as_oneself=True)
    elif not (plan.host or alone):
        namespace.enter_namespace()


def carry_out(  # noqa: PLR0917  # what the command line says, and what was made of it
    plan: Plan,
    arm: SuiteArm | None,
    asked: AskedKernel,
    output: Path,
    settle_s: float,
    netns: str | None,
    remote_connstorm: str | None,
    *,
    recording: Recording | None,
    draw: bool,
    set_host: bool,
) -> Path:
    """Carry out a plan in this process and where it is; return its run folder."""
    from stress.lab import host_names, host_sysctls, idle  # noqa: PLC0415  # see above
    from stress.run import cell, protocol  # noqa: PLC0415
    from stress.run.peer.peer_storm import take_relay_spec  # noqa: PLC0415
    from stress.storm.profiler import Profiler  # noqa: PLC0415

    if settle_s:
        print_event(protocol.Settled(idle.wait_until_idle(settle_s)))
    if arm is not None:
        return storm_arm(arm, plan, output, asked, draw=draw)
    changes_here = plan.host and set_host and not plan.peers  # across a link each act changes its own settings
    with asked, host_sysctls.change_sysctls(plan.sysctls) if changes_here else nullcontext():
        return cell.run(
            plan,
            output,
            lambda text: print_event(protocol.Stage(text)),
            draw=draw,
            asked=asked,
            hosts=host_names.find_hosts_file(netns),
            relay=take_relay_spec(plan, remote_connstorm) if plan.peers else None,
            may_change=set_host,
            announce=print_event,
            profiler=Profiler(recording) if recording else None,
        )


def storm_arm(arm: SuiteArm, plan: Plan, output: Path, asked: AskedKernel, *, draw: bool) -> Path:
    """Storm the server of an arm in this namespace; return the run folder."""
    from stress.run import cell, served  # noqa: PLC0415  # see above
    from stress.run.protocol import Stage  # noqa: PLC0415

    def notify(text: str) -> None:
        print_event(Stage(text))

    notify(f"starting the server of the arm {arm.name}")
    with asked, served.serve_arm(arm, plan, output) as server:
        return cell.run(plan, output, notify, draw=draw, asked=asked, server=server, announce=print_event)


def print_fingerprint(*, alone: bool) -> None:
    """Print what this host is, and which settings a trial may change: in a machine of its own, all."""
    on_the_host = sysctl.list_names()
    refused = None
    try:
        if not alone:
            namespace.enter_namespace()
    except LabError as error:
        refused = str(error)
    from stress.run.fingerprint import take_fingerprint  # noqa: PLC0415  # see above

    print_event(take_fingerprint(on_the_host, sysctl.list_names(), refused))


def print_event(event: msgspec.Struct) -> None:
    """Print one event."""
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def print_failure(text: str, exit_code: int, kind: str) -> None:
    """Print the failure as the last event and end with its code."""
    from stress.run.protocol import Failed  # noqa: PLC0415  # see above

    print_event(Failed(text, exit_code, kind))
    sys.exit(exit_code)
