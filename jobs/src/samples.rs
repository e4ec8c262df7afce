//! Sample photos.

/// Placeholder until written.
pub fn write(_folder: &std::path::Path, count: usize) -> std::io::Result<usize> {
    Ok(count)
}
