//! Conditional defaults, kind by kind: what no table of constants can say.
