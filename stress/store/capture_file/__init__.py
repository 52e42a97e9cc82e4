# SPDX-License-Identifier: MIT
"""Capture files of other programs: pcap and pcapng, read into segments, and chosen packets copied out of them.

The walk along a file's records is sequential and so is done in Python; what the records hold is read by numpy, batch by
batch, so that the memory needed depends on the segments alone.
"""
