//! What `ebt data bilkent` takes.

use std::path::PathBuf;

use crate::cli::whole;
use crate::commands::data::making::Making;

/// Fetch and prepare the Bilkent Turkish Writings set, for academic use only.
///
/// 9,119 writings of students of Bilkent University's Turkish courses since 2014, compiled by S. F. Yilmaz. The set is
/// downloaded from the Hugging Face hub into the cache that all Hugging Face libraries share, and verified. Nothing of it
/// is part of this program. A build needs the feature `hub` for this command.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the data: a new one, or one in which the same command was interrupted
    #[arg(long, value_name = "DIR", required_unless_present = "download_only")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) making: Making,
    /// Only fetch and verify; print the path of the file
    #[arg(long)]
    pub(super) download_only: bool,
    /// Accept the licence without being asked: academic, educational and non-commercial use only
    #[arg(long, alias = "accept-license")]
    pub(super) accept_licence: bool,
    /// Branch, tag or commit of the set on the hub
    #[arg(long, value_name = "REVISION", default_value = "main")]
    pub(super) revision: String,
    /// Address of the hub [default: HF_ENDPOINT, else https://huggingface.co]
    #[arg(long, value_name = "URL")]
    pub(super) endpoint: Option<String>,
    /// Take the set from the cache and use no network (also HF_HUB_OFFLINE=1)
    #[arg(long)]
    pub(super) offline: bool,
    /// How often a request that broke off is repeated [default: 4]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    pub(super) retries: Option<u32>,
}

const EXAMPLES: &str = "\
The variables of the Hugging Face libraries hold here too: HF_HOME and HF_HUB_CACHE (where downloads are kept), HF_TOKEN,
HF_ENDPOINT, HF_HUB_OFFLINE. An interrupted download is taken up where it broke off when the command is run again.

Examples:
  ebt data bilkent --accept-licence --out data/bilkent
  ebt data bilkent --accept-licence --out data/bilkent --revision 0123456789abcdef0123456789abcdef01234567
  HF_HOME=/mnt/big/huggingface ebt data bilkent --out data/bilkent
  ebt data bilkent --accept-licence --offline --out data/bilkent";
