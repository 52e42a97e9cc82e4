# SPDX-License-Identifier: MIT
"""The comment of a pull request on GitHub: one for each gate, written once and then changed."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from stress.model.errors import ConnstormError, UsageError
from stress.model.json_text import decode_json

PAGE = 100  # comments that the service gives at once, at most
BODY_MAX = 65_000  # characters; the service refuses more than 65,536
TIMEOUT_S = 30
CUT = "\n\n*The rest is in the summary of the job.*\n"
PERMISSION = "give the job permissions: pull-requests: write"


class CommentError(ConnstormError):
    """The comment could not be written; why, and what to do."""

    exit_code = 3


@dataclass(frozen=True)
class PullRequest:
    """A pull request that started a job.

    Attributes:
        repository: owner/name, where the job runs.
        number: of the pull request there.
        is_fork: whether its commits are those of another repository, so that the job may not write.
    """

    repository: str
    number: int
    is_fork: bool


@dataclass(frozen=True)
class Service:
    """GitHub's REST interface: its address without a slash at the end, and a token."""

    address: str
    token: str

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what the service answers.

        Raises:
            CommentError: it does not answer, or refuses.
        """
        request = urllib.request.Request(  # noqa: S310  # the address is that of the service itself
            f"{self.address}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310  # as above
                return decode_json(answer.read())
        except urllib.error.HTTPError as error:
            advice = f"; {PERMISSION}" if error.code in {401, 403, 404} else ""
            raise CommentError(f"The comment could not be written: GitHub answers {error.code}{advice}.") from error
        except (OSError, msgspec.DecodeError) as error:
            raise CommentError(f"The comment could not be written: {error}.") from error


def read_pull_request(event: Path, repository: str) -> PullRequest | None:
    """Return the pull request of the event that started a job; None if it was another event.

    Args:
        event: the file that GITHUB_EVENT_PATH names.
        repository: where the job runs, owner/name.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        pull = decode_json(event.read_bytes()).get("pull_request")
        if pull is None:
            return None
        source = (pull["head"]["repo"] or {}).get("full_name")  # None: the fork has been deleted since
        return PullRequest(repository, int(pull["number"]), source != repository)
    except (OSError, msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{event} is no event of GitHub: {error!r}.") from error


def put_comment(service: Service, pull: PullRequest, name: str, text: str) -> str:
    """Write the comment of a gate, or change the one that it has; return the comment's address.

    Args:
        service: where.
        pull: which pull request.
        name: of the gate; each has a comment of its own.
        text: Markdown.

    Raises:
        CommentError: the service does not answer, or refuses.
    """
    mark = f"<!-- connstorm {name} -->"
    body = {"body": shorten(f"{mark}\n{text}")}
    comments = f"repos/{pull.repository}/issues/{pull.number}/comments"
    own = find_comment(service, comments, mark)
    if own is None:
        answer = service.request("POST", comments, body)
    else:
        answer = service.request("PATCH", f"repos/{pull.repository}/issues/comments/{own}", body)
    return str(answer.get("html_url", ""))


def find_comment(service: Service, comments: str, mark: str) -> int | None:
    """Return the number of the comment that begins with a mark; None if there is none."""
    page = 1
    while True:
        batch = service.request("GET", f"{comments}?per_page={PAGE}&page={page}")
        for comment in batch:
            if (comment.get("body") or "").startswith(mark):
                return int(comment["id"])
        if len(batch) < PAGE:
            return None
        page += 1


def shorten(body: str) -> str:
    """Return a body that the service accepts, with the end cut off where it is too long."""
    return body if len(body) <= BODY_MAX else body[: BODY_MAX - len(CUT)].rpartition("\n")[0] + CUT
