cimport cython

from longwire.base.tuples cimport make, parts
from longwire.gateways.native.publications cimport (
    read_batch,
    read_condition,
    read_durability,
    read_producer,
)
from longwire.gateways.native.session cimport NativeSession
from longwire.hub.policy cimport demand
from longwire.streams.name cimport check_stream_name


cdef class Flights:
    cdef long long _count
    cdef long long _in_flight_max
    cdef long long _producer_in_flight_max
    cdef dict _by_producer
    cdef object _waiter

    cpdef bint take_off(self, producer) except -1

    cpdef land(self, producer)


cdef class _Flight:
    cdef Flights _flights
    cdef object _producer
    cdef object _request_id
    cdef NativeSession _session
    cdef object _stream


@cython.locals(flights=Flights)
cdef Flights _submit(gateway, session, request_id, publish)
