# SPDX-License-Identifier: MIT
"""Why no namespace can be made, by the errno and the settings: /proc/sys is a folder here, as other kernels have it."""

import errno

import pytest

from stress.lab import namespace_refusal, sysctl
from stress.lab.namespace_refusal import refusal_text

MANY = {"user.max_user_namespaces": "96365", "user.max_net_namespaces": "96365"}
DEBIAN = "kernel.unprivileged_userns_clone"
UBUNTU = "kernel.apparmor_restrict_unprivileged_userns"
LOOSE = {DEBIAN: "1", UBUNTU: "0"}


@pytest.mark.parametrize(
    ("number", "settings", "sentence"),
    [
        (errno.ENOSPC, {"user.max_user_namespaces": "0"}, "user.max_user_namespaces is 0; as root, sysctl -w user.max"),
        (errno.ENOSPC, {"user.max_net_namespaces": "0"}, "user.max_net_namespaces is 0; as root, sysctl -w user.max_n"),
        (errno.ENOSPC, {"user.max_net_namespaces": "3"}, "user.max_net_namespaces is 3, and as many exist"),
        (errno.EPERM, {DEBIAN: "0"}, f"{DEBIAN} is 0; as root, sysctl -w {DEBIAN}=1 allows it."),
        (errno.EACCES, {UBUNTU: "1"}, f"{UBUNTU} is 1; as root, sysctl -w {UBUNTU}=0 allows it."),
        (errno.EPERM, LOOSE, "none of its settings forbids it (user.max_user_namespaces is 96365, user.max_net_name"),
        (errno.EUSERS, LOOSE, "none of its settings says so ("),
    ],
)
def test_the_setting_that_forbids_is_named_with_its_value_and_what_allows_it(
    tmp_path, monkeypatch, number, settings, sentence
):
    for name, value in (MANY | settings).items():
        file = tmp_path.joinpath(*name.split("."))
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{value}\n")
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    monkeypatch.setattr(namespace_refusal, "is_filtered", lambda: False)
    text = refusal_text(number)
    assert text.startswith(f"This kernel refuses a private network namespace ({errno.errorcode[number]}: ")
    assert sentence in text
    assert text.endswith("everybody's connections.")


def test_in_a_container_it_says_how_to_start_one_that_may(tmp_path, monkeypatch):
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    monkeypatch.setattr(namespace_refusal, "CONTAINER_FILES", (tmp_path,))
    assert "This is a container: start it with --privileged, or" in refusal_text(errno.EPERM)
