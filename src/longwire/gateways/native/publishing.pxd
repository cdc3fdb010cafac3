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
from longwire.hub.publishing cimport Publisher
from longwire.streams.name cimport check_stream_name


cdef class Publishing:
    cdef Publisher publisher
    cdef object policy
    cdef object depth_max
    cdef object key_bytes_max
    cdef object in_flight_max
    cdef object producer_in_flight_max


cdef class Producer:
    cdef long long count
    cdef str producer_id
    cdef str stream


cdef class Flights:
    cdef long long _count
    cdef long long _in_flight_max
    cdef long long _producer_in_flight_max
    cdef dict _producers
    cdef Producer _last
    cdef object _waiter

    @cython.locals(last=Producer, found=Producer)
    cdef Producer find(self, str stream, str producer_id)

    cdef bint take_off(self, Producer producer) except -1

    cdef land(self, Producer producer)


cdef class _Flight:
    cdef Flights _flights
    cdef Producer _producer
    cdef object _request_id
    cdef NativeSession _session
    cdef object _stream


@cython.locals(publishing=Publishing)
cpdef publish(gateway, NativeSession session, request)

@cython.locals(flights=Flights, producer=Producer)
cdef Flights _submit(Publishing publishing, NativeSession session, request_id, publish)
