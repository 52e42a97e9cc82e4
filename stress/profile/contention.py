# SPDX-License-Identifier: MIT
"""What functions of the kernel are that cost more the more CPUs connect at the same time."""

import re

# Patterns of names (Linux 5.10 to 6.18), and what the functions do. The first that matches counts.
KNOWN = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"(__pv_|native_)?queued_(spin|write|read)_lock_slowpath|osq_lock", "waits for a lock that another CPU has"),
        (r"_raw_(spin|read|write)_lock(_\w+)?", "takes a lock: its cache line may be on another CPU"),
        (r"mutex_spin_on_owner|rwsem_\w+|__mutex_lock.*", "waits for a sleeping lock that another CPU has"),
        (r"__inet6?_check_established", "port search: whether a 4-tuple is free"),
        (r"__inet_hash_connect", "port search of connect()"),
        (r"inet_csk_(get_port|find_open_port|bind_conflict)|inet_bhash2\w*|inet_bind2?_\w+", "table of bound ports"),
        (r"inet6?_ehashfn", "hash of a 4-tuple"),
        (r"__inet6?_lookup_established|inet_ehash_\w+|inet_unhash", "table of connections"),
        (r"inet6?_lhash2_lookup|__inet6?_lookup_listener|reuseport_select_sock|run_bpf_filter", "choice of a listener"),
        (r"inet_csk_(accept|reqsk\w+|complete\w+)", "accept queue"),
        (r"inet_twsk\w*|tcp_time_wait", "TIME-WAIT"),
        (r"kmem_cache_\w+|___?slab\w*|get_(any_)?partial\w*|__put_partials|(__)?free_slab", "memory of the kernel"),
        (r"(__)?alloc_pages\w*|get_page_from_freelist|rmqueue\w*|free_(pcppages|unref)\w*", "memory of the kernel"),
        (r"dst_(release|hold|alloc)\w*|ip_route_\w+|fib_\w+|ipv4_(mtu|dst)\w*", "routes, which all connections share"),
        (r"percpu_counter_\w+|__percpu_\w+", "a counter that all CPUs share"),
        (r"(__)?refcount\w*|rcuref\w*", "a count of references that all CPUs share"),
        (r"(alloc|close|fd)_?(fd|install)\w*|alloc_inode|new_inode\w*|d_alloc\w*|evict", "files and inodes"),
    )
)


def function_text(name: str) -> str | None:
    """Return what a function does that may cost more with more CPUs; None where that is not known."""
    bare = name.partition(".")[0]  # without what the compiler adds: .constprop.0
    return next((what for pattern, what in KNOWN if pattern.fullmatch(bare)), None)
