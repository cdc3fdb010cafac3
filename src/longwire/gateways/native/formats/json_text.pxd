from longwire.base.tuples cimport parts
from longwire.streams.position cimport spell_position


cdef str _quote_place(position)
