//! Why there is no daemon, or no answer of it.

use std::io;
use std::path::PathBuf;

use super::protocol::ProtocolError;

/// What keeps the daemon from listening, or a client from being understood.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(
        "XDG_RUNTIME_DIR is not set, so there is no place for the daemon's socket; log in through a session that sets it, or set it to a folder that only you can reach"
    )]
    NoRuntimeFolder,
    #[error(
        "the path of the control socket is longer than the {most} bytes that the kernel takes: {path}; set XDG_RUNTIME_DIR to a shorter one"
    )]
    PathTooLong { path: PathBuf, most: usize },
    #[error("{path} must be a folder of yours that nobody else can reach (mode 0700): {found}")]
    Folder { path: PathBuf, found: String },
    #[error(
        "another daemon is running already (it holds {path}); `pinfold ps` shows its sessions, `systemctl --user restart pinfold` starts it anew"
    )]
    AlreadyRunning { path: PathBuf },
    #[error(
        "somebody listens at {path} already; if that is systemd, `systemctl --user start pinfold` starts the daemon there"
    )]
    InUse { path: PathBuf },
    #[error("{path} is not a socket; remove it if nobody needs it")]
    NotASocket { path: PathBuf },
    #[error("systemd handed over {0}; the socket unit must have one `ListenSequentialPacket=`")]
    HandedOver(String),
    #[error("could not listen at {path}")]
    Listen { path: PathBuf, source: io::Error },
    #[error(
        "no daemon listens at {path}; `systemctl --user enable --now pinfold.socket` starts it when it is needed"
    )]
    NotRunning { path: PathBuf },
    #[error("the daemon did not answer in time")]
    NoAnswer,
    #[error("the daemon closed the connection without an answer")]
    Closed,
    #[error("the socket belongs to a process of user {uid}, not to one of yours")]
    ForeignPeer { uid: u32 },
    #[error("more, or other, descriptors came with a message than belong to it")]
    Descriptors,
    #[error("the daemon said: {0}")]
    Refused(String),
    #[error("the daemon answered something else than was asked")]
    Unexpected,
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the connection to the daemon failed")]
    Io(#[from] io::Error),
}
