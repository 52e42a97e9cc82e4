# SPDX-License-Identifier: MIT
"""Attempts in flight: those whose connect() did not end at once, linked in the order of their starts."""

from libc.stdlib cimport calloc


cdef struct Flight:
    int fd
    int older                # neighbours in the order of their starts; -1 ends the list
    int newer
    Py_ssize_t record


cdef struct Flights:
    Flight* slots
    int count                # in flight
    int vacant               # head of the free list, linked through `newer`
    int oldest
    int newest


cdef inline bint allocate_flights(Flights* flights, int window) noexcept nogil:
    """Allocate a window of vacant slots; returns whether there was memory."""
    cdef int slot
    flights.slots = <Flight*> calloc(window, sizeof(Flight))
    if flights.slots == NULL:
        return False
    for slot in range(window):
        flights.slots[slot].newer = slot + 1 if slot + 1 < window else -1
    flights.count = flights.vacant = 0
    flights.oldest = flights.newest = -1
    return True


cdef inline void add_flight(Flights* flights, int fd, Py_ssize_t record) noexcept nogil:
    """Link the vacant slot as the newest flight."""
    cdef int slot = flights.vacant
    cdef Flight* flight = &flights.slots[slot]
    flights.vacant = flight.newer
    flight.fd = fd
    flight.record = record
    flight.older = flights.newest
    flight.newer = -1
    if flights.newest >= 0:
        flights.slots[flights.newest].newer = slot
    else:
        flights.oldest = slot
    flights.newest = slot
    flights.count += 1


cdef inline void remove_flight(Flights* flights, int slot) noexcept nogil:
    """Unlink a flight and make its slot vacant."""
    cdef Flight* flight = &flights.slots[slot]
    if flight.older >= 0:
        flights.slots[flight.older].newer = flight.newer
    else:
        flights.oldest = flight.newer
    if flight.newer >= 0:
        flights.slots[flight.newer].older = flight.older
    else:
        flights.newest = flight.older
    flight.newer = flights.vacant
    flights.vacant = slot
    flights.count -= 1
