from longwire.base.tuples cimport make


cpdef read_condition(request)

cpdef read_durability(request)

cpdef read_producer(request)

cpdef tuple read_batch(request, depth_max, key_bytes_max)

cdef tuple _read_entry(item, where, depth_max, key_bytes_max)

cdef tuple _read_item(item, where, depth_max)

cdef _single_item(request)

cdef _copy(data)
