"""Ray Jobs: what is shipped, who is let in, following a job, its results. Only here is ray imported."""
