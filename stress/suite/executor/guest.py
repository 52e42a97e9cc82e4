# SPDX-License-Identifier: MIT
"""``connstorm run-cell`` in a guest: the script that it runs, and its results in the folder that is shared."""

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from stress.lab.checkout import VARIABLE as COMMIT_VARIABLE
from stress.lab.checkout import program_commit
from stress.lab.kernel.boot import CONSOLE, ENDED, GO, ROOT, SHARE, STARTED, Boot, GuestEnd, Image, last_messages
from stress.model import atomic
from stress.model.errors import LabError
from stress.model.json_text import decode_json
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.suite import Fingerprint, Settle
from stress.run.process import ONE_THREAD, CellResult
from stress.run.protocol import Done, Event, Failed, decode_fingerprint
from stress.store import run_folder
from stress.suite.executor.trial_clock import tell_time

PLAN, EVENTS, ERRORS, RESULTS = "plan.json", "events.jsonl", "errors.txt", "results"
OPTIONS = ("--alone", "--no-draw")
SHOWN_COLUMNS = 160
RUN_CELL = "from stress.cli.run_cell import run_cell; run_cell()"  # emulated, importing the other verbs takes seconds
PREFIX = "connstorm-guest-"
OWN_RESULTS = "/run/results"  # in the guest's memory: what is shared cannot be mapped

# The host's files are mounted once more, with a cache: without, importing Python's modules takes three times as long.
# As root of all that follows, they also show what the guest has mounted over, such as /var/tmp. The kernel requests its
# modules where they are: virtme-ng links them into /lib/modules, which a host without a kernel of its own has not got.
SCRIPT = r"""#!/bin/sh
cd {share} || exit
: >{started}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/run/tmp LC_ALL=C.UTF-8
mkdir -p {own} /run/tmp {results}
ulimit -n 1048576
ip link set lo up
root=/
tag=$(sed -n 's|^\([^ ]*\) {root} 9p .*|\1|p' /proc/mounts)
if [ "$tag" ] && umount {root} && mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=524288,cache=loose "$tag" {root}
then
    root={root}
    for name in proc sys dev run; do mount --rbind /$name $root/$name; done
fi
modules=$(sed -n 's|.*virtme_link_mods=\([^ ]*\).*|\1|p' /proc/cmdline)
if [ "$modules" ]; then
    mkdir -p /run/modules/lib/modules /run/modules/usr
    ln -s ../lib /run/modules/usr/lib
    ln -s "${{root%/}}$modules" /run/modules/lib/modules/$(uname -r)
    printf '#!/bin/sh\nexec modprobe -d /run/modules "$@"\n' >/run/modprobe
    chmod +x /run/modprobe
    echo /run/modprobe >/proc/sys/kernel/modprobe
fi
chroot $root sh -c {command} <{plan} >{events} 2>{errors}
code=$?
cp -r {own}/. {results}/ && echo $code >.{ended} && mv .{ended} {ended}
"""


def prepare_share(share: Path, arguments: tuple[str, ...], plan: Plan | None = None) -> None:
    """Write the files that a guest needs into a new folder, which will be shared with it.

    Args:
        share: the folder.
        arguments: of ``connstorm run-cell``.
        plan: its standard input.
    """
    share.mkdir(parents=True)
    value = os.environ.get("PYTHONPATH")
    path = [f"PYTHONPATH={value}"] if value else []
    known = {**ONE_THREAD, COMMIT_VARIABLE: program_commit()}  # emulated, git takes seconds
    settings = [f"{name}={value}" for name, value in known.items()]
    command = ["env", "PYTHONDONTWRITEBYTECODE=1", *settings, *path, sys.executable, "-c", RUN_CELL, *arguments]
    (share / PLAN).write_bytes(b"" if plan is None else msgspec.json.encode(plan))
    (share / GO).write_text(
        SCRIPT.format(
            share=SHARE,
            started=STARTED,
            ended=ENDED,
            root=ROOT,
            own=OWN_RESULTS,
            results=RESULTS,
            plan=PLAN,
            events=EVENTS,
            errors=ERRORS,
            command=shlex.quote(f"cd {shlex.quote(str(Path.cwd()))} 2>/dev/null; exec {shlex.join(command)}"),
        )
    )


def boot_fingerprint(
    image: Image, share: Path, *, kvm: bool, limit_s: float, quiet_s: float | None = None
) -> Fingerprint:
    """Boot a kernel and ask it what it is.

    Raises:
        LabError: it does not boot, or does not answer.
    """
    prepare_share(share, ("--attest", "--alone"))
    boot = Boot(image, share, kvm=kvm, quiet_s=quiet_s)
    try:
        end = boot.wait(limit_s)
    finally:
        boot.end()
    if end is not GuestEnd.ENDED:
        raise LabError(boot_failure(boot, end, "It did not boot as far as to say what it is"))
    answer = (share / EVENTS).read_bytes() if (share / EVENTS).exists() else b""
    if not answer:
        raise LabError(f"It booted, but did not say what it is: {last_error_line(share) or 'no answer'}.")
    return decode_fingerprint(answer, "The guest")


class GuestHandle:
    """A trial that was submitted to a guest."""

    def __init__(
        self,
        image: Image,
        plan: Plan,
        folder: Path,
        release: str,
        *,
        kvm: bool,
        limit_s: float,
        settle: Settle | None,
        watch: ProgressCallback = ignore_progress,
        expected_s: float | None = None,
        profile_hz: int | None = None,
    ) -> None:
        """Boot.

        Args:
            image: what is booted.
            plan: what to do there.
            folder: where the run folder will be.
            release: the release that the kernel must have.
            kvm: on this machine's own CPU, not emulated.
            limit_s: how long the trial may take, once it has booted.
            settle: how quiet this machine was.
            watch: called by another thread every few seconds with how long it has been running.
            expected_s: about how long it takes, with the boot; None where nobody knows.
            profile_hz: samples a second of a profiler, which is this host's perf; None for a trial.

        Raises:
            LabError: this machine cannot boot a kernel.
        """
        self.plan = plan
        self.folder = folder
        self.release = release
        self.limit_s = limit_s
        self.settle = settle
        self.watch = watch
        self.expected_s = expected_s
        # Not in the trial's folder, whose path has an = in it, where virtme-run would split it.
        self.temporary = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.share = Path(self.temporary.name) / "share"
        profile = ("--profile", str(profile_hz)) if profile_hz is not None else ()
        prepare_share(self.share, ("--output", OWN_RESULTS, *OPTIONS, *profile), plan)
        self.boot = Boot(image, self.share, kvm=kvm)

    def fetch(self, notify: object) -> CellResult:
        """Wait until it ends; when it has failed, the output of the console is stored in the job's folder."""
        del notify  # what a guest does is known at its end
        with tell_time(self.watch, self.expected_s):
            end = self.boot.wait(self.limit_s)
        result = self.result(end)
        if isinstance(result, Failed) and (self.share / CONSOLE).exists():
            shutil.move(self.share / CONSOLE, self.folder / CONSOLE)
        self.temporary.cleanup()
        if isinstance(result, Failed):
            return CellResult(None, result, self.settle)
        return CellResult(result, None, self.settle)

    def cancel(self) -> None:
        """End it."""
        self.boot.stop()

    def result(self, end: GuestEnd) -> Path | Failed:
        """Return the run folder, or what went wrong."""
        if end is not GuestEnd.ENDED:
            what = f"{self.plan.scenario} on {self.release} has no result"
            return Failed(boot_failure(self.boot, end, what), LabError.exit_code)
        match self.last_event():
            case Failed() as failed:
                return failed
            case Done(path):
                return self.move_run_folder(Path(path).name)
            case _:
                line = last_error_line(self.share) or "it printed no error"
                return Failed(f"run-cell on {self.release} ended before it had a result: {line}.", LabError.exit_code)

    def last_event(self) -> Event | None:
        """Return the last event of the cell, or None when no event can be read."""
        try:
            lines = (self.share / EVENTS).read_bytes().splitlines()
            event: Event = decode_json(lines[-1], Event)
        except (OSError, IndexError, msgspec.DecodeError):
            return None
        return event

    def move_run_folder(self, name: str) -> Path | Failed:
        """Move the run folder to the job's folder, unless it is of another kernel than it should be."""
        shared = self.share / RESULTS / name
        kernel = run_folder.read(shared)[0].record.host.kernel
        if kernel != self.release:
            return Failed(f"The guest ran Linux {kernel}, not {self.release} as before.", LabError.exit_code)
        final = self.folder / name
        with atomic.open_folder(final) as partial:
            for file in shared.iterdir():
                shutil.move(file, partial)  # to another disk, maybe
        return final


def boot_failure(boot: Boot, end: GuestEnd, what: str) -> str:
    """Return a sentence for a guest without a result, with the last lines of its console."""
    lines = " | ".join(line[:SHOWN_COLUMNS] for line in last_messages(boot.console()))
    return f"{what}: {end.value}. The end of its console: {lines or 'nothing'}"


def last_error_line(share: Path) -> str:
    """Return the last line that run-cell wrote to standard error."""
    try:
        lines = (share / ERRORS).read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "")
