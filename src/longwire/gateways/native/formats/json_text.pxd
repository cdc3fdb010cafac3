from longwire.base.tuples cimport parts
from longwire.streams.position cimport spell_position


cdef dict _quoted

cdef str _quote_name(name)

cdef str _quote_place(position)
