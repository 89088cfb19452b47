//! `cargo xtask bench`: the figures, measured here and now.
