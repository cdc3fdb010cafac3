cdef class Flights:
    cdef long long _count
    cdef dict _by_producer

    cpdef take_off(self, producer, long long in_flight_max, long long producer_in_flight_max)

    cpdef land(self, producer)


cdef class _Flight:
    cdef Flights _flights
    cdef object _producer
    cdef object _request_id
    cdef object _session
    cdef object _stream


cdef _submit(gateway, session, request_id, publish)
