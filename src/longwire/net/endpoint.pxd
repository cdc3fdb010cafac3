cimport cython

from longwire.net.direct_link cimport link_now, set_link_deadline, write_to_link
from longwire.net.endpoint_facts cimport EndpointFacts
from longwire.net.event_delivery cimport deliver_events
from longwire.net.input_backlog cimport InputBacklog
from longwire.net.reactor_link cimport ReactorLink
from longwire.net.waiter cimport Waiter
from longwire.websocket.connection cimport WebSocketEngine


cdef object _OPEN, _NO_ACTION
cdef Py_ssize_t _COUNTED_BYTES_MIN, _INFLATE_STEP_BYTES, _NOTHING_WAITS


cdef class Endpoint(EndpointFacts):
    cdef InputBacklog _backlog
    cdef object _in_flight
    cdef bint _is_in_burst
    cdef bint _is_inflating
    cdef long long _taken_bytes
    cdef Waiter _waiter

    @cython.locals(direct=ReactorLink)
    cpdef ReactorLink lend_link(self, bytes frames, long long messages, object now)

    @cython.locals(direct=ReactorLink)
    cpdef Py_ssize_t send_shared(self, bytes frames, long long messages, object now) except -1

    cpdef send_one(self, object message, object text)

    cpdef count_in_flight(self)

    @cython.locals(backlog=InputBacklog)
    cpdef data_received(self, object data)

    cpdef take_in(self, object data, object now)

    @cython.locals(share=Py_ssize_t, backlog=InputBacklog, waiter=Waiter)
    cpdef handle(self, list events, object now)

    cpdef go_on_after_burst(self, Waiter waiter)

    cdef InputBacklog _make_backlog(self)

    @cython.locals(output=list, engine=WebSocketEngine)
    cdef _after_engine(self, object now)

    @cython.locals(direct=ReactorLink)
    cdef _write_out(self)

    @cython.locals(output=list)
    cpdef hand_over(self)
