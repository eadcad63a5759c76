//! Why there is no secret. Never what it is.

use std::io;
use std::path::PathBuf;

use crate::config::SecretName;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("there is no secret `{name}` {place}; `pinfold secret set {name}` puts it there")]
    Missing { name: SecretName, place: String },
    #[error("this value can't be used: {reason}")]
    Unusable { reason: &'static str },
    #[error("{}: {problem}, so it is not used; {fix}", path.display())]
    Exposed {
        path: PathBuf,
        problem: String,
        fix: String,
    },
    #[error("{} could not be read or written: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("it could not be read: {source}")]
    Read { source: io::Error },
    #[error(
        "the command `{program}` {reason}; run it in a terminal, or with PINFOLD_LOG=info, to see more"
    )]
    Command { program: String, reason: String },
    #[error(
        "`{program}` is not in /usr/local/bin, /usr/bin or /bin, where the commands for secrets are looked for; write its absolute path"
    )]
    NoProgram { program: String },
    #[error(
        "a manifest that is not your own can't name a command, because it would run outside of the sandbox; put the value into the store (`pinfold secret set NAME`) and write {{ secret = \"NAME\" }}"
    )]
    ForeignCommand,
    #[error("{} is in a folder of pinfold's own; name the secret by {{ secret = \"NAME\" }}", path.display())]
    OwnFile { path: PathBuf },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error(
        "systemd passed no credentials: CREDENTIALS_DIRECTORY is not an absolute path in the environment (systemd.exec(5), LoadCredential=)"
    )]
    NoCredentials,
    #[error("the secrets of this launch were not there after {} s", super::PATIENCE.as_secs_f32())]
    TooLate,
    #[error(
        "the desktop's Secret Service, where your secrets are, did not answer within {seconds} s; is it asking for a password somewhere?"
    )]
    ServiceSilent { seconds: f32 },
    #[error(
        "the desktop's Secret Service, where your secrets are, is locked; unlock it (log in to the desktop, or `pinfold secret list --unlock`)"
    )]
    ServiceLocked,
    #[error("the desktop's Secret Service, where your secrets are, can't be used: {reason}")]
    Service { reason: String },
    #[error(
        "your secrets are kept by the desktop's Secret Service, and this build of pinfold can't speak to it"
    )]
    NoService,
    #[error(
        "your secrets are kept {there}, and there is one store only; to move, remove them there first (`pinfold secret list` names them)"
    )]
    OtherStore { there: String },
    #[error("{} doesn't say where your secrets are kept (`files` or `secret-service`)", path.display())]
    Undecided { path: PathBuf },
}

impl SecretError {
    /// Whether trying later, or on another machine, may help; else the user's files say something
    /// that can't be done.
    pub fn is_environment(&self) -> bool {
        !matches!(
            self,
            Self::Missing { .. }
                | Self::Unusable { .. }
                | Self::NoProgram { .. }
                | Self::ForeignCommand
                | Self::OwnFile { .. }
                | Self::OtherStore { .. }
        )
    }
}
