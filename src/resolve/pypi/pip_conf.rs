//! pip.conf, as Python's configparser reads it: sections, `key = value`, values that go on in
//! indented lines. Pure.

use std::collections::BTreeMap;

/// Reads the keys that `pip install` sees: those of `[global]`, and of `[install]` before them.
/// `index_url` and `index-url` are one key.
pub(super) fn parse(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = "";
    let mut key: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(value) = key
                .as_ref()
                .and_then(|key| sections.get_mut(section)?.get_mut(key))
            {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(trimmed);
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            section = name;
            key = None;
            continue;
        }
        let Some(at) = trimmed.find(['=', ':']) else {
            key = None;
            continue;
        };
        let name = trimmed[..at].trim().to_ascii_lowercase().replace('_', "-");
        let value = trimmed[at + 1..].trim().to_owned();
        sections
            .entry(section)
            .or_default()
            .insert(name.clone(), value);
        key = Some(name);
    }
    let mut settings = sections.remove("global").unwrap_or_default();
    settings.extend(sections.remove("install").unwrap_or_default());
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_pip_reads_them() {
        let settings = parse(
            "# comment\n[global]\nindex_url = https://a/simple\ntimeout: 60\n\
             extra-index-url =\n    https://b/simple\n    https://c/simple\n; x\n\
             [freeze]\nindex-url = https://no/\n[install]\nIndex-URL=https://d/simple\n",
        );
        let get = |key: &str| settings.get(key).map(String::as_str);
        assert_eq!(get("index-url"), Some("https://d/simple"));
        assert_eq!(get("timeout"), Some("60"));
        assert_eq!(
            get("extra-index-url"),
            Some("https://b/simple https://c/simple")
        );
        assert!(parse("no section = x\n[global\nx").is_empty());
    }
}
