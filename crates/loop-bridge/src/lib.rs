//! Bridges between event loops, threads.
