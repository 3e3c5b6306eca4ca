//! Conversion between the served versions of one kind.
