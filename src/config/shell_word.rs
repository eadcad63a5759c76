//! A path as a word of a command that is shown, so that it can be copied as it stands.

/// In single quotes where a shell would take it for something else (POSIX, 2.2 "Quoting").
pub fn shell_word(path: &str) -> String {
    match !path.is_empty() && path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || "/._-+@:,".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_reads_otherwise_is_quoted() {
        for (path, word) in [
            ("/home/me/.cursor/mcp.json", "/home/me/.cursor/mcp.json"),
            ("/home/zoë/mcp.json", "/home/zoë/mcp.json"),
            ("my project/mcp.json", "'my project/mcp.json'"),
            ("it's", r"'it'\''s'"),
            ("a;b", "'a;b'"),
            ("~/a", "'~/a'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(path), word);
        }
    }
}
