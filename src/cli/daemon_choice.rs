//! Whether the daemon serves a session of `pinfold run`. Pure.

use clap::ValueEnum;

use super::exit::UsageError;
use crate::config::Environment;

/// For clients whose configuration can't change arguments.
pub(super) const VARIABLE: &str = "PINFOLD_DAEMON";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DaemonChoice {
    /// Only by the daemon
    Require,
    /// By the daemon where one is there
    #[default]
    Auto,
    /// Never by the daemon
    Never,
}

impl DaemonChoice {
    /// The argument, else the variable, else `auto`.
    pub(super) fn of(
        argument: Option<Self>,
        environment: &Environment,
    ) -> Result<Self, UsageError> {
        let Some(value) = environment.get(VARIABLE) else {
            return Ok(argument.unwrap_or_default());
        };
        match argument {
            Some(choice) => Ok(choice),
            None => Self::from_str(&value.to_string_lossy(), false).map_err(|_| {
                UsageError(format!(
                    "the variable {VARIABLE} is `{}`; it can be `require`, `auto` or `never`",
                    value.to_string_lossy()
                ))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_goes_before_the_variable() {
        let none = Environment::default();
        let with = |value: &str| Environment::from_pairs([(VARIABLE, value)]);
        let of = |argument, environment: &Environment| DaemonChoice::of(argument, environment).ok();
        assert_eq!(of(None, &none), Some(DaemonChoice::Auto));
        assert_eq!(of(None, &with("never")), Some(DaemonChoice::Never));
        assert_eq!(
            of(Some(DaemonChoice::Require), &with("never")),
            Some(DaemonChoice::Require)
        );
        for wrong in ["", "Never", "yes"] {
            assert_eq!(of(None, &with(wrong)), None, "{wrong}");
        }
    }
}
