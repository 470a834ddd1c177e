"""`takt tune`: which engine, in how many instances, answers fastest on this host."""
