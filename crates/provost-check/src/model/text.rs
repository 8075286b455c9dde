//! Texts of the input in messages.

/// What a message repeats of a text: its first 60 characters.
pub fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
