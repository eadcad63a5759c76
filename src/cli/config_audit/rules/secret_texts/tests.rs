//! What is a secret, and what only looks like one.

use super::*;

#[test]
fn secrets_are_found_by_name_and_by_shape() {
    for (name, value, secret) in [
        ("GITHUB_TOKEN", "abcdef", "abcdef"),
        ("DB_PASSWORD", "hunter2", "hunter2"),
        ("NOTES_API_KEY", "letmein", "letmein"),
        (
            "X-API-Key",
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
        ),
        ("Authorization", "Bearer Zm9vYmFyMTIz", "Zm9vYmFyMTIz"),
        (
            "HEADERS",
            "{\"Authorization\": \"Bearer ntn_0123456789abcdefghijklmnopqrs\"}",
            "ntn_0123456789abcdefghijklmnopqrs",
        ),
        (
            "X",
            "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
            "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        ),
        (
            "API_KEY",
            "8f14e45f-ceea-467f-a0e6-1b2c3d4e5f60",
            "8f14e45f-ceea-467f-a0e6-1b2c3d4e5f60",
        ),
        (
            "KEY",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
        ),
    ] {
        assert_eq!(
            certain(name, value).as_deref(),
            Some(secret),
            "{name}={value}"
        );
    }
}

#[test]
fn realistic_values_that_are_no_secret_pass() {
    for (name, value) in [
        ("Authorization", "Bearer ${DOCS_TOKEN}"),
        ("Authorization", "Bearer {env:DOCS_TOKEN}"),
        ("API_KEY", "${{ secrets.API_KEY }}"),
        ("API_KEY", "$API_KEY"),
        ("API_KEY", "YOUR_API_KEY_HERE"),
        ("API_KEY", "<your token>"),
        ("API_KEY", "xxxxxxxxxxxxxxxx"),
        ("API_KEY", "sk-your-key-1234567890abcdef"),
        ("MAX_TOKENS", "128000"),
        ("TOKEN_LIMIT", "128000"),
        ("AUTH_TYPE", "oauth-personal"),
        ("AUTH_URL", "https://example.test/oauth/token"),
        ("AUTH", "none-needed"),
        ("SORT_KEY", "created_at"),
        ("AWS_SECRET_NAME", "prod/db"),
        ("KEY_ID", "8f14e45fceea467fa0e61b2c3d4e5f60"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("SSH_KEY_PATH", "/home/ada/.ssh/id_ed25519"),
        ("SESSION_KEY", "8f14e45f-ceea-467f-a0e6-1b2c3d4e5f60"),
        (
            "CA",
            "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQ",
        ),
        ("MODEL", "claude-sonnet-4-20250514"),
        ("CACHE", "sk-learn-pipelines-and-others"),
    ] {
        assert_eq!(certain(name, value), None, "{name}={value}");
    }
}

#[test]
fn random_texts_are_told_from_what_only_looks_like_it() {
    for (name, text) in [
        ("SERVICE_LOGIN", "q8Zt3LxV0bN6cR2mHs7YkD4f"),
        ("ZAPIER", "Yj2Kq9X-w0Rf3Tz_Lb8Nv5Cs1Hd7Gm4P"),
        ("WEBHOOK", "T9aX2kQ7vB4nL0sJ8wE3rU6yC1mZ5pHd"),
    ] {
        assert!(is_random(name, text), "{text}");
    }
    for (name, text) in [
        ("SESSION", "8f14e45f-ceea-467f-a0e6-1b2c3d4e5f60"),
        (
            "SUM",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        ("COMMIT", "4db9d0d5ebd44a7e0f1c2b3a495867d6c5b4a392"),
        (
            "IMAGE",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        ),
        (
            "X",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        ),
        (
            "X",
            "sha512-K0GpuC5oU+1n4DHGb8Bq3QXZgkkGsHHDU2IDBX1CJjbmzEbP0Ig==",
        ),
        (
            "SPREADSHEET_ID",
            "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms",
        ),
        ("PROGRAM", "/home/Ada/Projects/Server2/dist/Index3"),
        ("NAME", "getUserAccountInformationByName2"),
        ("CLASS", "com-Example-Service-Notes2-Implementation"),
        ("MODEL", "Llama-3.1-70B-Instruct-Q4_K_M"),
        ("MODEL_FILE", "Qwen2-5-Coder-32B-Instruct-GGUF"),
        ("FLAGS", "Profile_2026-08-22T10-15-00Z_Backup"),
        ("LONG", "abcdefghijklmnopqrstuvwxyz0123456789"),
    ] {
        assert!(!is_random(name, text), "{text}");
    }
}

#[test]
fn addresses_are_searched() {
    for (address, secret) in [
        ("https://ada:hunter2@example.test/mcp", "hunter2"),
        ("postgres://me:pa55@db.test/x", "pa55"),
        ("https://x.test/mcp?api_key=0123456789ab", "0123456789ab"),
        ("https://x.test/mcp?a=b&key=q8Zt3LxV0bN6", "q8Zt3LxV0bN6"),
    ] {
        assert_eq!(in_address(address).as_deref(), Some(secret), "{address}");
    }
    for address in [
        "https://example.test/mcp",
        "https://ada@example.test/mcp",
        "postgres://me:${PASSWORD}@db.test/x",
        "https://x.test/mcp?api_key=${API_KEY}",
        "https://x.test/mcp?api_key=YOUR_KEY_12345",
        "https://x.test/mcp?sort_key=created_at_2026",
        "https://x.test/mcp?token_type=bearer12345",
        "no address",
    ] {
        assert_eq!(in_address(address), None, "{address}");
    }
}

#[test]
fn an_excerpt_gives_nothing_away() {
    assert_eq!(excerpt("ghp_0123456789abcdef"), "ghp_…, 20 characters");
    assert_eq!(excerpt("hunter2"), "7 characters");
}
