cimport cython

from longwire.base.tuples cimport make, parts
from longwire.streams.position cimport next_link
from longwire.streams.producer cimport decide


cpdef find_duplicate(remembered, request, target, durability)

cpdef check_append(request, target, durability)

@cython.locals(entries=list)
cpdef list chain(batch, tail, epoch, time_ms, content_type)

cpdef appended(entries, target, durability)
