//! Pools for blocking work: threads, CPU, processes.
