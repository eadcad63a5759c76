//! The rules as a table: code, severity, and the words. What each looks for is in `rules/`.
//!
//! Codes are stable: scripts and suppressions name them. A rule that goes leaves its code unused.

use super::finding::Severity;

/// A rule; its number is its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    UnreadableConfig,
    BrokenConfig,
    DuplicateKey,
    DuplicateName,
    ConfigReadable,
    ConfigWritable,
    WritableFolder,
    WritableProgram,
    HiddenCharacters,
    FloatingVersion,
    UnpinnedLauncher,
    UnpublishedSource,
    FloatingImage,
    InlineCode,
    DownloadedCode,
    RunsAsRoot,
    ContainerHostFiles,
    ContainerSocket,
    ContainerPrivileged,
    ContainerHostNamespace,
    DangerousVariable,
    TlsNotVerified,
    SandboxOff,
    InlineSecret,
    SecretInArguments,
    SecretInEnvFile,
    SecretOutsideServers,
    PossibleSecret,
    RepeatedSecret,
    EndlessToken,
    LongLivedToken,
    UrlCredentials,
    PlainHttp,
    AutoApprove,
    NoAllowlist,
    OutsidePinfold,
    NotLocked,
    LockDrift,
    PinfoldMissing,
}

/// One rule.
pub(super) struct Row {
    pub rule: Rule,
    pub code: &'static str,
    pub severity: Severity,
    pub title: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What to do; `{file}` is the config, `{about}` what the finding is about.
    pub fix: &'static str,
}

impl Rule {
    pub(super) fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

use Severity::{Error, Note, Warning};

const fn row(
    rule: Rule,
    code: &'static str,
    severity: Severity,
    title: &'static str,
    help: &'static str,
    fix: &'static str,
) -> Row {
    Row {
        rule,
        code,
        severity,
        title,
        help,
        fix,
    }
}

const IMPORT: &str = "`pinfold import {file}`";

#[rustfmt::skip]
pub(super) const TABLE: [Row; 39] = [
    row(Rule::UnreadableConfig, "unreadable-config", Error,
        "The config can't be read",
        "Nothing is known of the servers in it. A link that leads out of a project is not followed, because whoever wrote the project chose where it leads.",
        "make it a regular file that you can read: `ls -l {file}`"),
    row(Rule::BrokenConfig, "broken-config", Error,
        "The config is not what its client reads",
        "The client may ignore it as a whole, or read it otherwise than you do; nothing in it was checked.",
        "correct it at the place that is named"),
    row(Rule::DuplicateKey, "duplicate-key", Error,
        "A key or a server stands there twice",
        "Clients differ in which of the two counts, so what is shown in a review need not be what is started.",
        "remove one of the two"),
    row(Rule::DuplicateName, "duplicate-name", Warning,
        "Two servers of one client have the same name",
        "One of them hides the other. A project's file can take the place of your own server like this.",
        "rename one of them, in {file} or in the other file"),
    row(Rule::ConfigReadable, "config-readable", Error,
        "Every user of this machine can read the secrets in the config, or in a file it names",
        "The file's mode and the folders above it let others read it.",
        "`chmod 600 {about}`, and `pinfold import {file}` to take the secrets out; then give them out anew"),
    row(Rule::ConfigWritable, "config-writable", Error,
        "Others can change the config",
        "What stands in it is run as you, so whoever can write it can run anything.",
        "`chmod go-w {about}`, and `chown` it to yourself if it belongs to somebody else"),
    row(Rule::WritableFolder, "writable-folder", Error,
        "A folder on the way is writable for everybody",
        "Whoever can write a folder can put another file in the place of the one that is meant.",
        "`chmod o-w {about}`"),
    row(Rule::WritableProgram, "writable-program", Error,
        "Others can change the program",
        "It is run as you, with your files and tokens.",
        "`chmod go-w {about}`, and `chown` it to yourself or root if it belongs to somebody else"),
    row(Rule::HiddenCharacters, "hidden-characters", Error,
        "There are characters that can't be seen",
        "Direction marks, zero-width and control characters make a name or command look like another one.",
        "write it anew, without them"),
    row(Rule::FloatingVersion, "floating-version", Warning,
        "The newest version is run, whatever it is",
        "Whoever publishes the package, or takes over its publisher, runs code here at the next start (postmark-mcp, Shai-Hulud).",
        IMPORT),
    row(Rule::UnpinnedLauncher, "unpinned-launcher", Warning,
        "A version is named, but not what it brings along",
        "The launcher resolves the package's dependencies anew and compares its bytes with nothing that was reviewed (the LiteLLM and axios incidents came through dependencies).",
        IMPORT),
    row(Rule::UnpublishedSource, "unpublished-source", Warning,
        "Code is run from a repository or an address",
        "There is no published version that could be compared; the one who owns the repository or the host can change it at any time.",
        "use the published package, or `pinfold add NAME https://HOST/PATH#sha256=HEX` or `path:FOLDER`"),
    row(Rule::FloatingImage, "floating-image", Warning,
        "A container image is named without its digest",
        "A tag can be moved to another image at any time.",
        "name it with its digest, `IMAGE@sha256:…`; or if the server is also a package, `pinfold add NAME npm:PACKAGE` or `pypi:PACKAGE`"),
    row(Rule::InlineCode, "inline-code", Warning,
        "The code stands in the config itself",
        "An interpreter runs what the arguments say; nothing can be pinned or reviewed, and a change of the config is a change of the code.",
        "put the code into a file and `pinfold add NAME path:FILE`, or name the server's own program"),
    row(Rule::DownloadedCode, "downloaded-code", Error,
        "What a download returns is run",
        "Whoever answers the request decides what runs here, at every start.",
        "download it once, read it, and `pinfold add NAME https://HOST/PATH#sha256=HEX`"),
    row(Rule::RunsAsRoot, "runs-as-root", Error,
        "The server is started as root",
        "It may then change anything on this machine.",
        "start it as yourself; grant it the files it needs: `pinfold add NAME SOURCE --read PATH`"),
    row(Rule::ContainerHostFiles, "container-host-files", Error,
        "The container gets the system's or all of your files",
        "With them it can take every key and token, and change what is run later: the container keeps nothing in.",
        "mount the one folder that it needs, with `:ro` if it only reads"),
    row(Rule::ContainerSocket, "container-socket", Error,
        "The container gets the socket of the container engine",
        "Whoever can talk to it can start a container with all files of the host, as root.",
        "take the mount out"),
    row(Rule::ContainerPrivileged, "container-privileged", Error,
        "The container is started with the rights of the host",
        "A privileged container, one with the capability SYS_ADMIN, or one without its system call filter can leave at will.",
        "take the option out"),
    row(Rule::ContainerHostNamespace, "container-host-namespace", Warning,
        "The container shares a namespace of the host",
        "It reaches services that listen on this machine alone, or sees and signals its processes.",
        "take the option out; publish or grant what it needs one by one"),
    row(Rule::DangerousVariable, "dangerous-variable", Warning,
        "A variable makes the program load other code",
        "Whoever can write what it names runs code in the server, with its tokens.",
        "take it out; `pinfold import {file}` does not pass it on"),
    row(Rule::TlsNotVerified, "tls-not-verified", Error,
        "Certificates are not checked",
        "Whoever is between this machine and the server's host can read and change everything, tokens too.",
        "take it out; name the authority's certificate instead (`NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE`)"),
    row(Rule::SandboxOff, "sandbox-off", Warning,
        "A sandbox or its checks are switched off",
        "What the program would have kept away from your files is let through.",
        "take it out; `pinfold import {file}` runs the server in a box of its own"),
    row(Rule::InlineSecret, "inline-secret", Error,
        "A secret stands in the config in plain text",
        "It goes wherever the file goes: backups, synchronised settings, repositories, every program that runs as you.",
        "`pinfold import {file}` moves it into the secret store; then give it out anew"),
    row(Rule::SecretInArguments, "secret-in-arguments", Error,
        "A secret is an argument",
        "Every user of this machine can read the arguments of a running program, and they get into logs.",
        "pass it by a variable, if the server knows one, then `pinfold import {file}`; give it out anew"),
    row(Rule::SecretInEnvFile, "secret-in-env-file", Warning,
        "A file of variables that the config names holds secrets in plain text",
        "It is out of the config, and still wherever the file goes: backups, repositories, every program that runs as you.",
        "`pinfold secret set NAME` for each, and give it to the server with `pinfold add --secret KEY=NAME`; then take it out of {about}"),
    row(Rule::SecretOutsideServers, "secret-outside-servers", Warning,
        "The client's own settings hold a secret in plain text",
        "It is none of a server's, so `pinfold import` leaves it; but whoever gets the file has it.",
        "let the client take it from a variable or the keyring, if it can; give it out anew"),
    row(Rule::PossibleSecret, "possible-secret", Warning,
        "Something looks random enough to be a secret",
        "It is no known kind of token, and its name doesn't say that it is one.",
        "if it is one: `pinfold secret set NAME`, and give it to the server with `pinfold add --secret KEY=NAME`"),
    row(Rule::RepeatedSecret, "repeated-secret", Warning,
        "The same secret stands in several files",
        "Each is one more place to lose it from, and to forget when it is changed.",
        "`pinfold import` moves it into the secret store, once"),
    row(Rule::EndlessToken, "endless-token", Error,
        "A token never expires",
        "Whoever finds it can use it until somebody revokes it.",
        "give out one that expires, and keep it with `pinfold secret set NAME`"),
    row(Rule::LongLivedToken, "long-lived-token", Warning,
        "A token lives longer than 90 days",
        "Whoever finds it can use it for as long.",
        "give out one that lives shorter, and keep it with `pinfold secret set NAME`"),
    row(Rule::UrlCredentials, "url-credentials", Error,
        "An address holds a password or a token",
        "Addresses get into logs, histories and error messages.",
        "send it in a header that the client fills in, or by a variable; give it out anew"),
    row(Rule::PlainHttp, "plain-http", Error,
        "A remote server is asked without TLS",
        "Whoever is on the way can read the tokens and write the answers, and what tools are said to do.",
        "use `https://`"),
    row(Rule::AutoApprove, "auto-approve", Warning,
        "Tools are called without asking",
        "What a tool's answer or a web page tells the model to do is done at once.",
        "take the setting out; pinfold can ask for single tools: `tools.ask` in the manifest"),
    row(Rule::NoAllowlist, "no-allowlist", Note,
        "Every tool of the server is offered",
        "A tool that a new version adds is there at once. The client has a setting for the tools that are meant.",
        "name the tools in the client's setting; or `pinfold import {file}`, which keeps an allowlist"),
    row(Rule::OutsidePinfold, "outside-pinfold", Warning,
        "The server runs with all rights of yours",
        "It is neither compared with what was reviewed nor kept away from your files, network and tokens.",
        IMPORT),
    row(Rule::NotLocked, "not-locked", Error,
        "The entry names a server that is not locked",
        "pinfold refuses to start it.",
        "`pinfold lock`, or `pinfold add NAME SOURCE` if the manifest doesn't have it either"),
    row(Rule::LockDrift, "lock-drift", Error,
        "Manifest and lock don't fit",
        "pinfold refuses to start the server, because what is asked for is not what was reviewed.",
        "`pinfold verify` says more; `pinfold lock` brings the lock in line"),
    row(Rule::PinfoldMissing, "pinfold-missing", Error,
        "There is no pinfold at this path",
        "The client can't start the server; whoever puts a file there is started in its place.",
        "install pinfold there, or `pinfold restore {file}` and `pinfold import {file}`"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_its_row_and_codes_are_words() {
        let mut codes = BTreeSet::new();
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.rule as usize, number, "{}", row.code);
            assert!(codes.insert(row.code), "{}", row.code);
            let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '-';
            assert!(row.code.chars().all(is_word), "{}", row.code);
            for text in [row.title, row.help, row.fix] {
                assert!(!text.is_empty(), "{}", row.code);
            }
        }
    }
}
