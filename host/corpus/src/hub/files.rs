//! Several files of one repository at one commit.

use std::path::PathBuf;

use anyhow::{Result, bail};
use ebt_data::progress::{Progress, size};

use super::cache::RepoCache;
use super::client::Client;
use super::failure::{self, Failure, Remedy};
use super::fetch;
use super::options::{HubOptions, is_commit};
use super::tree::{self, Listing};

/// Files of one repository on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedFiles {
    /// The commit that they belong to, 40 hexadecimal digits.
    pub commit: String,
    /// The licence that the card of the repository names.
    pub licence: Option<String>,
    /// Where they lie in the cache, in the order of their paths in the repository.
    pub files: Vec<PathBuf>,
    /// How many were downloaded just now.
    pub downloaded: usize,
}

/// Gets the files that `options` mean as a glob and `wants` accepts by its path, all of one commit, as
/// [`fetch`](super::fetch) gets each; a file that is called so itself is not asked about. `most` is the sum of their
/// bytes that is allowed.
///
/// # Errors
///
/// As [`fetch`](super::fetch); a glob that means nothing, files larger than allowed (nothing is downloaded then), and offline
/// a listing or a file that is not in the cache.
pub fn fetch_all(
    options: &HubOptions,
    most: u64,
    wants: impl Fn(&str) -> bool,
    progress: &mut dyn Progress,
) -> Result<FetchedFiles> {
    options.validate()?;
    let cache = RepoCache::new(options);
    let listing = list(options, &cache, progress)?;
    let found = tree::matching(&listing, options)?;
    let single = found.len() == 1 && found[0].path == options.file;
    let found: Vec<_> = found.into_iter().filter(|file| single || wants(&file.path)).collect();
    if found.is_empty() {
        bail!("{} means files of no format that is read here", options.name());
    }
    let total = found.iter().fold(0u64, |sum, file| sum.saturating_add(file.size));
    if total > most {
        bail!(
            "{} means {} files of {} together, more than --most-bytes {most} allows; name fewer, or allow more",
            options.name(),
            found.len(),
            size(total as f64)
        );
    }
    let (mut files, mut downloaded) = (Vec::new(), 0);
    for file in found {
        let at = HubOptions { file: file.path.clone(), revision: listing.commit.clone(), ..options.clone() };
        let fetched = fetch(&at, progress)?;
        downloaded += usize::from(fetched.downloaded);
        files.push(fetched.path);
    }
    cache.point(&listing.commit)?;
    Ok(FetchedFiles { commit: listing.commit, licence: listing.licence, files, downloaded })
}

/// The files of the folder that is meant: as the hub says, else, offline and where it cannot be reached, as it last said.
fn list(options: &HubOptions, cache: &RepoCache, progress: &mut dyn Progress) -> Result<Listing> {
    if options.offline {
        return cache.listing(None)?.ok_or_else(|| failure::not_cached(options, cache.folder()));
    }
    if is_commit(&options.revision)
        && let Some(known) = cache.listing(None)?
    {
        return Ok(known);
    }
    let client = Client::new(options);
    let asked = failure::persist(
        options,
        progress,
        || 0,
        |_, _| {
            let listing = tree::describe(&client, options)?;
            if let Some(known) = cache.listing(Some(&listing.commit))? {
                return Ok(Listing { licence: listing.licence, ..known });
            }
            let at = HubOptions { revision: listing.commit.clone(), ..options.clone() };
            let listing = Listing { files: tree::files(&Client::new(&at), &at)?, ..listing };
            cache.keep_listing(&listing)?;
            Ok(listing)
        },
    );
    match asked {
        Ok(listing) => Ok(listing),
        Err(Failure { error, remedy: Remedy::None }) => Err(error),
        Err(Failure { error, .. }) => {
            let Some(known) = cache.listing(None)? else { return Err(error) };
            progress.note(&format!("{error:#}"));
            progress.note(&format!("using what the cache holds of commit {}", known.commit));
            Ok(known)
        }
    }
}
