//! Where each client keeps the servers it starts, as a table: one row for each client and place.
//!
//! Sources: the clients' own documentation and code, as of 2026; the macOS and Windows places are
//! left out, for pinfold runs on Linux.

use super::shape::{
    CLAUDE, CLAUDE_CODE, CODEX, CONTINUE, Dialect, GEMINI, GOOSE, NO_SERVERS, OPENCODE, Shape,
    VSCODE, VSCODE_SETTINGS, WINDSURF, ZED,
};

/// A program that starts MCP servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    ClaudeDesktop,
    ClaudeCode,
    Cursor,
    VsCode,
    Windsurf,
    Zed,
    Codex,
    Gemini,
    Cline,
    Continue,
    Goose,
    OpenCode,
    LmStudio,
    /// A file that was named and is of none of these places.
    Other,
}

/// All whose places are known.
pub const CLIENTS: [Client; 13] = [
    Client::ClaudeDesktop,
    Client::ClaudeCode,
    Client::Cursor,
    Client::VsCode,
    Client::Windsurf,
    Client::Zed,
    Client::Codex,
    Client::Gemini,
    Client::Cline,
    Client::Continue,
    Client::Goose,
    Client::OpenCode,
    Client::LmStudio,
];

impl Client {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Windsurf => "Windsurf",
            Self::Zed => "Zed",
            Self::Codex => "Codex CLI",
            Self::Gemini => "Gemini CLI",
            Self::Cline => "Cline",
            Self::Continue => "Continue",
            Self::Goose => "Goose",
            Self::OpenCode => "opencode",
            Self::LmStudio => "LM Studio",
            Self::Other => "a client",
        }
    }
}

/// Who a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All of the user's work.
    User,
    /// One project, and whoever has its files.
    Project,
    /// Put there by the administrator.
    Managed,
}

/// What a path starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// `$HOME`
    Home,
    /// `$XDG_CONFIG_HOME`, and `~/.config`: a client may have been started without the variable.
    Config,
    /// The folder in this variable; where it is not set, no place.
    Variable(&'static str),
    /// The folder of the project.
    Project,
    Root,
}

/// A row of the table. In `path` one `*` may stand in a component, for anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub client: Client,
    pub scope: Scope,
    pub base: Base,
    pub path: &'static str,
    pub dialect: Dialect,
    pub shapes: &'static [Shape],
}

const fn row(
    client: Client,
    base: Base,
    path: &'static str,
    dialect: Dialect,
    shapes: &'static [Shape],
) -> Place {
    let scope = match base {
        Base::Project => Scope::Project,
        Base::Root => Scope::Managed,
        _ => Scope::User,
    };
    Place {
        client,
        scope,
        base,
        path,
        dialect,
        shapes,
    }
}

use Base::{Config, Home, Project, Root, Variable};
use Dialect::{Json, Jsonc, Toml, Yaml};

/// Below a VS Code's or a relative's folder.
const CLINE_SETTINGS: [&str; 5] = [
    "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    "Code - Insiders/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    "VSCodium/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    "Cursor/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    "Windsurf/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
];

/// Every place.
#[rustfmt::skip]
pub(super) const PLACES: &[Place] = &[
    row(Client::ClaudeDesktop, Config, "Claude/claude_desktop_config.json", Json, CLAUDE),

    row(Client::ClaudeCode, Home, ".claude.json", Json, CLAUDE_CODE),
    row(Client::ClaudeCode, Variable("CLAUDE_CONFIG_DIR"), ".claude.json", Json, CLAUDE_CODE),
    row(Client::ClaudeCode, Project, ".mcp.json", Json, CLAUDE),
    row(Client::ClaudeCode, Root, "etc/claude-code/managed-mcp.json", Json, CLAUDE),
    row(Client::ClaudeCode, Home, ".claude/settings.json", Json, NO_SERVERS),
    row(Client::ClaudeCode, Variable("CLAUDE_CONFIG_DIR"), "settings.json", Json, NO_SERVERS),
    row(Client::ClaudeCode, Project, ".claude/settings.json", Json, NO_SERVERS),
    row(Client::ClaudeCode, Project, ".claude/settings.local.json", Json, NO_SERVERS),
    row(Client::ClaudeCode, Root, "etc/claude-code/managed-settings.json", Json, NO_SERVERS),

    row(Client::Cursor, Home, ".cursor/mcp.json", Jsonc, CLAUDE),
    row(Client::Cursor, Project, ".cursor/mcp.json", Jsonc, CLAUDE),

    row(Client::VsCode, Config, "Code/User/mcp.json", Jsonc, VSCODE),
    row(Client::VsCode, Config, "Code/User/profiles/*/mcp.json", Jsonc, VSCODE),
    row(Client::VsCode, Config, "Code/User/settings.json", Jsonc, VSCODE_SETTINGS),
    row(Client::VsCode, Config, "Code - Insiders/User/mcp.json", Jsonc, VSCODE),
    row(Client::VsCode, Config, "VSCodium/User/mcp.json", Jsonc, VSCODE),
    row(Client::VsCode, Project, ".vscode/mcp.json", Jsonc, VSCODE),

    row(Client::Windsurf, Home, ".codeium/windsurf/mcp_config.json", Json, WINDSURF),

    row(Client::Zed, Config, "zed/settings.json", Jsonc, ZED),
    row(Client::Zed, Project, ".zed/settings.json", Jsonc, ZED),

    row(Client::Codex, Home, ".codex/config.toml", Toml, CODEX),
    row(Client::Codex, Variable("CODEX_HOME"), "config.toml", Toml, CODEX),
    row(Client::Codex, Project, ".codex/config.toml", Toml, CODEX),

    row(Client::Gemini, Home, ".gemini/settings.json", Jsonc, GEMINI),
    row(Client::Gemini, Project, ".gemini/settings.json", Jsonc, GEMINI),

    row(Client::Cline, Config, CLINE_SETTINGS[0], Json, WINDSURF),
    row(Client::Cline, Config, CLINE_SETTINGS[1], Json, WINDSURF),
    row(Client::Cline, Config, CLINE_SETTINGS[2], Json, WINDSURF),
    row(Client::Cline, Config, CLINE_SETTINGS[3], Json, WINDSURF),
    row(Client::Cline, Config, CLINE_SETTINGS[4], Json, WINDSURF),

    row(Client::Continue, Home, ".continue/config.yaml", Yaml, CONTINUE),
    row(Client::Continue, Home, ".continue/mcpServers/*.yaml", Yaml, CONTINUE),
    row(Client::Continue, Home, ".continue/mcpServers/*.json", Json, CLAUDE),
    row(Client::Continue, Project, ".continue/mcpServers/*.yaml", Yaml, CONTINUE),
    row(Client::Continue, Project, ".continue/mcpServers/*.json", Json, CLAUDE),

    row(Client::Goose, Config, "goose/config.yaml", Yaml, GOOSE),

    row(Client::OpenCode, Config, "opencode/opencode.json", Jsonc, OPENCODE),
    row(Client::OpenCode, Config, "opencode/opencode.jsonc", Jsonc, OPENCODE),
    row(Client::OpenCode, Project, "opencode.json", Jsonc, OPENCODE),
    row(Client::OpenCode, Project, "opencode.jsonc", Jsonc, OPENCODE),

    row(Client::LmStudio, Home, ".lmstudio/mcp.json", Json, CLAUDE),
    row(Client::LmStudio, Home, ".cache/lm-studio/mcp.json", Json, CLAUDE),
];
