cpdef deliver_events(object endpoint, object callbacks, list events)

cdef _deliver_remaining(object endpoint, object callbacks, object events)
