//! What a kind does around create and update.
