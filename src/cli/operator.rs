//! Who is typing.

use std::os::unix::fs::MetadataExt as _;

/// `user@host`; behind sudo the one who called it.
pub(super) fn name() -> String {
    let named =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let user = named.into_iter().find(|user| !user.is_empty()).unwrap_or_else(number);
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "host".to_owned());
    format!("{user}@{host}")
}

/// Where nothing says the name, as in containers.
fn number() -> String {
    std::fs::metadata("/proc/self")
        .map_or_else(|_| "user".to_owned(), |own| format!("uid{}", own.uid()))
}

/// A name that somebody gives.
pub(super) fn named(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("whoever it is must have a name".to_owned()),
        name => Ok(name.to_owned()),
    }
}
