# SPDX-License-Identifier: MIT
"""Who may read what a run says about a host: whom the user's umask lets."""

import stat

import pytest
from command import connstorm


@pytest.mark.parametrize(("umask", "folder_mode", "file_mode"), [(0o077, 0o700, 0o600), (0o022, 0o755, 0o644)])
def test_a_run_folder_has_the_permissions_that_the_umask_leaves(umask, folder_mode, file_mode, tmp_path):
    results = tmp_path / "results"
    ended = connstorm("run", "clean", "--attempts", 10, "-o", results, umask=umask)
    if "namespace" in ended.stderr:
        pytest.skip(ended.stderr)
    assert ended.returncode == 0, ended.stderr
    for path in (results, *results.rglob("*")):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (folder_mode if path.is_dir() else file_mode), path
