//! Futures, tasks, cancellation with asyncio's semantics.
