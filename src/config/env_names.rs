//! Environment variables that no manifest can give to a server, each with its reason.
//! Data and one look-up; which other variables pass is decided elsewhere.

/// Which names a row of the table speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePattern {
    Exactly(&'static str),
    StartingWith(&'static str),
}

use NamePattern::{Exactly, StartingWith};

const LOADER: &str = "it makes the dynamic loader run code that is not in the lock (ld.so(8))";
const ALLOCATOR: &str = "it changes the C library's memory checks (mallopt(3))";
const LIBC_FILES: &str = "it makes the C library load files that are not in the lock";
const NODE: &str = "it makes Node.js load or write files that are not in the lock";
const PYTHON: &str = "it makes Python load or run code that is not in the lock";
const OPENSSL: &str = "it makes OpenSSL load modules that are not in the lock (config(5))";
const SHELL: &str = "it makes a shell run or change something before its script";
const PERL: &str = "it makes Perl load code that is not in the lock";
const RUBY: &str = "it makes Ruby load code that is not in the lock";
const JAVA: &str = "it makes the Java machine load agents that are not in the lock";
const GIT: &str = "it names a command that git runs";
const OURS: &str = "pinfold sets it itself to a place inside the sandbox";

/// Refused outright: each makes an ordinary program run code, read or write files
/// that nobody agreed to, or points it out of the places pinfold made for it.
pub const REFUSED: &[(NamePattern, &str)] = &[
    (StartingWith("LD_"), LOADER),
    (Exactly("GLIBC_TUNABLES"), ALLOCATOR),
    (StartingWith("MALLOC_"), ALLOCATOR),
    (Exactly("GCONV_PATH"), LIBC_FILES),
    (Exactly("LOCPATH"), LIBC_FILES),
    (Exactly("NODE_OPTIONS"), NODE),
    (Exactly("NODE_PATH"), NODE),
    (Exactly("NODE_REPL_EXTERNAL_MODULE"), NODE),
    (Exactly("NODE_V8_COVERAGE"), NODE),
    (Exactly("NODE_COMPILE_CACHE"), NODE),
    (Exactly("PYTHONPATH"), PYTHON),
    (Exactly("PYTHONSTARTUP"), PYTHON),
    (Exactly("PYTHONHOME"), PYTHON),
    (Exactly("PYTHONPLATLIBDIR"), PYTHON),
    (Exactly("PYTHONINSPECT"), PYTHON),
    (Exactly("PYTHONUSERBASE"), PYTHON),
    (Exactly("PYTHONPYCACHEPREFIX"), PYTHON),
    (Exactly("OPENSSL_CONF"), OPENSSL),
    (Exactly("OPENSSL_ENGINES"), OPENSSL),
    (Exactly("OPENSSL_MODULES"), OPENSSL),
    (Exactly("BASH_ENV"), SHELL),
    (Exactly("ENV"), SHELL),
    (Exactly("SHELLOPTS"), SHELL),
    (Exactly("PERL5OPT"), PERL),
    (Exactly("PERL5LIB"), PERL),
    (Exactly("RUBYOPT"), RUBY),
    (Exactly("RUBYLIB"), RUBY),
    (Exactly("JAVA_TOOL_OPTIONS"), JAVA),
    (Exactly("_JAVA_OPTIONS"), JAVA),
    (Exactly("GIT_SSH_COMMAND"), GIT),
    (Exactly("HOME"), OURS),
    (Exactly("TMPDIR"), OURS),
    (Exactly("PATH"), OURS),
    (Exactly("PWD"), OURS),
];

/// Why `name` is refused; `None` when a manifest may set it. Case matters, as it does to programs.
pub fn refused_variable(name: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(pattern, _)| match pattern {
            Exactly(whole) => name == *whole,
            StartingWith(start) => name.starts_with(start),
        })
        .map(|(_, reason)| *reason)
}

/// Whether `name` can be a variable's name: `[A-Za-z_][A-Za-z0-9_]*`, at most 256 bytes.
pub fn is_variable_name(name: &str) -> bool {
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts_well
        && name.len() <= 256
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_refuses_and_says_why() {
        for (pattern, reason) in REFUSED {
            let name = match pattern {
                Exactly(whole) => (*whole).to_owned(),
                StartingWith(start) => format!("{start}ANYTHING"),
            };
            assert_eq!(refused_variable(&name), Some(*reason), "{name}");
            assert!(is_variable_name(&name), "{name}");
        }
    }

    #[test]
    fn ordinary_variables_pass() {
        for name in [
            "LANG",
            "NODE_EXTRA_CA_CERTS",
            "LDAP_URL",
            "GITHUB_TOKEN",
            "PYTHONUTF8",
        ] {
            assert_eq!(refused_variable(name), None, "{name}");
        }
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "1A", "A-B", "A=B", "A B", "Ä", "A\0", &"A".repeat(257)] {
            assert!(!is_variable_name(name), "{name:?}");
        }
        assert!(is_variable_name("_a1"));
    }
}
