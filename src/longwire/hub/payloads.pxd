from longwire.base.tuples cimport parts


cpdef check_batch(batch, limits)
