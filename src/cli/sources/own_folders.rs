//! What of this machine never is a server's code: the folders that pinfold keeps its secrets, locks and
//! logs in. A server can read its own code.

use std::path::{Path, PathBuf};

use super::super::context::Context;
use crate::config::Paths;

/// Why `source` can't be a server's code; `None` when it can.
pub(in crate::cli) fn refusal(context: &Context, source: &Path) -> Option<String> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = Paths::resolve(&context.environment, None).ok();
    let config = own.as_ref().map(|own| real(own.manifest_folder()));
    let kept = [&context.paths.data, &context.paths.state].map(|path| real(path));
    let found = holding(&real(source), config.as_deref(), &kept)?;
    Some(format!(
        "`{}` can't be a server's code: {} are pinfold's own, and a server can read its code; move the code into a folder of its own",
        source.display(),
        found.display()
    ))
}

/// The folder of pinfold that is in `source`, or that `source` is in. Code may lie beside the
/// manifest, but not be all of its folder.
fn holding(source: &Path, config: Option<&Path>, kept: &[PathBuf]) -> Option<PathBuf> {
    let mut all = config.into_iter().chain(kept.iter().map(PathBuf::as_path));
    let inside = || kept.iter().find(|kept| source.starts_with(kept)).cloned();
    all.find(|own| own.starts_with(source))
        .map(Path::to_owned)
        .or_else(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_pinfold_is_no_code_and_what_lies_beside_it_is() {
        let kept = ["/h/.local/share/pinfold", "/h/.local/state/pinfold"].map(PathBuf::from);
        let refused = |source: &str| {
            holding(
                Path::new(source),
                Some(Path::new("/h/.config/pinfold")),
                &kept,
            )
            .is_some()
        };
        for source in [
            "/",
            "/h",
            "/h/.config",
            "/h/.config/pinfold",
            "/h/.local",
            "/h/.local/share/pinfold/secrets",
            "/h/.local/state/pinfold",
        ] {
            assert!(refused(source), "{source}");
        }
        for source in [
            "/h/code",
            "/h/.config/pinfold/servers/a",
            "/h/.local/share/a",
        ] {
            assert!(!refused(source), "{source}");
        }
    }
}
