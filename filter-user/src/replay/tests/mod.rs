//! Captures byte by byte.
