//! Whether the station's threads run before other programs'.

use anyhow::Context;
use sightline_configs::station::Priority;

/// What `threads.priority` comes to on this box.
///
/// # Errors
/// `realtime` is asked for and the system does not permit it.
pub fn raised(wanted: Priority) -> anyhow::Result<bool> {
    if wanted == Priority::Normal {
        return Ok(false);
    }
    let tried = sightline_threads::may_raise();
    match (&tried, wanted) {
        (Ok(()), _) => tracing::info!("the line's threads run before other programs"),
        (Err(refused), Priority::Auto) => {
            tracing::warn!(
                "the line's threads run like other programs; a busy box makes parts late: a thread {refused}"
            );
        }
        (Err(_), _) => {
            return tried.map(|()| true).context(
                "threads.priority: expected a system that permits `realtime`; start the station with CAP_SYS_NICE \
                 (systemd: AmbientCapabilities=CAP_SYS_NICE) or write `auto`",
            );
        }
    }
    Ok(tried.is_ok())
}
