# SPDX-License-Identifier: MIT
# connstorm for operators. It is built of the wheels in dist/, which make release-check or the release workflow makes:
#
#   docker build --tag connstorm .
#   docker run --rm --network host --pid host --cap-add NET_ADMIN --cap-add SYS_PTRACE connstorm inspect
#   docker run --rm --privileged -v "$PWD/results:/results" connstorm run closewait -o /results
#
# inspect looks at the network namespace that it is in, and names processes where it may see them (--pid host). A run
# makes a namespace of its own, which Docker's default profile of system calls forbids: hence --privileged, or a profile
# that allows unshare and mount.
FROM python:3.13-slim-trixie
RUN apt-get update \
    && apt-get install --yes --no-install-recommends iproute2 nftables tcpdump \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,source=dist,target=/dist \
    set -- /dist/connstorm-*-abi3-manylinux*.whl \
    && pip install --no-cache-dir "$1[all]"
ENTRYPOINT ["connstorm"]
CMD ["--help"]
