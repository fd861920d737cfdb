//! What happens because time has passed: held posts lapse, summaries leave, what nobody needs is tidied away.

use listmill_core::{Context, Disposition, StoreView, Unavailable};
use listmill_queue_format::Entry;

use crate::config::CommandConfig;

/// The clock strikes: `tick` every few minutes, `day` once a day.
pub(crate) fn strike(
    _config: &CommandConfig,
    _entry: &Entry,
    _what: &str,
    _view: &dyn StoreView,
    _cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    Ok(Vec::new())
}
