"""Events of a run -> live terminal view, timings."""
