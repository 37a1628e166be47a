//! Files of data sets and models on the Hugging Face hub: found in the cache, else downloaded, verified and kept there.
//!
//! Layout of the cache and place of the token are those of the Python library `huggingface_hub`: what one has
//! downloaded, the other finds. The transfer is done here, over the HTTP client `ureq`: the token goes to the hub and to
//! no host that it redirects to, a download goes on where it broke off, and what came is verified.
//!
//! A [`name`] says which file, or by a glob which of those that `tree` lists. A file passes through [`options`] (what is asked for), `client` (requests and redirects), `resolve` (what the
//! hub says about the file), `download` (its bytes, resumed where they broke off), `verify` (size, digest, format)
//! and `cache` (its place). `failure` holds the sentences for what may go wrong.

mod answer;
mod cache;
mod client;
mod download;
mod failure;
mod files;
pub mod name;
pub mod options;
mod progress;
mod resolve;
mod tree;
mod verify;

use anyhow::{Result, bail};
use ebt_data::progress::Progress;

pub use cache::Fetched;
use cache::RepoCache;
use client::Client;
use failure::{Failure, Remedy};
pub use files::{FetchedFiles, fetch_all};
pub use name::{HubName, RepoKind, SCHEME};
pub use options::{HubOptions, Token};
use resolve::RemoteFile;

/// Gets a file: from the cache when the revision still holds it, else from the hub.
///
/// What was downloaded has the size and, for files in large-file storage, the SHA-256 that the hub gave; a `.parquet`
/// file begins and ends as Parquet does. Where the hub cannot be reached, a cached file of the revision is taken, and
/// `progress` notified. An interrupted download is taken up where it broke off, by this call or a later one.
///
/// # Errors
///
/// A hub that cannot be reached or refuses, a file that is not what the hub said, a cache that cannot be written, and
/// offline a file that is not in the cache; the message says what to do. A file that fails its verification is removed.
pub fn fetch(options: &HubOptions, progress: &mut dyn Progress) -> Result<Fetched> {
    options.validate()?;
    let cache = RepoCache::new(options);
    if options.offline {
        return cache.find()?.ok_or_else(|| failure::not_cached(options, cache.folder()));
    }
    if options.revision_is_commit()
        && let Some(found) = cache.find()?
    {
        return Ok(found);
    }
    let client = Client::new(options);
    let remote = match failure::persist(options, progress, || 0, |_, _| resolve::resolve(&client, options)) {
        Ok(remote) => remote,
        Err(Failure { error, remedy: Remedy::None }) => return Err(error),
        Err(Failure { error, .. }) => {
            let Some(found) = cache.find()? else { return Err(error) };
            progress.note(&format!("{error:#}"));
            progress.note(&format!("using the copy of commit {} in the cache", found.commit));
            return Ok(found);
        }
    };
    let downloaded = obtain(&client, &cache, &remote, options, progress)?;
    let path = cache.link(&remote)?;
    Ok(Fetched { path, commit: remote.commit, downloaded })
}

/// Makes sure that the cache holds the bytes of `remote`; whether they had to be downloaded.
fn obtain(
    client: &Client,
    cache: &RepoCache,
    remote: &RemoteFile,
    options: &HubOptions,
    progress: &mut dyn Progress,
) -> Result<bool> {
    if cache.holds(remote)? {
        return Ok(false);
    }
    // held until the end of this function; another process may have been quicker
    let _lock = cache.lock(remote, progress)?;
    if cache.holds(remote)? {
        return Ok(false);
    }
    let part = cache.part_path(remote);
    let received = || std::fs::metadata(&part).map_or(0, |metadata| metadata.len());
    let transfer = failure::persist(options, progress, received, |again, progress| {
        let fresh = if again { Some(resolve::resolve(client, options)?) } else { None };
        if fresh.as_ref().is_some_and(|fresh| fresh.etag != remote.etag) {
            let name = options.name();
            return Err(anyhow::anyhow!("{name} changed on the hub during the download; run the command again").into());
        }
        download::download(client, fresh.as_ref().unwrap_or(remote), &part, options, progress)
    });
    transfer.map_err(|failure| failure.error)?;
    if let Err(error) = verify::verify(&part, remote, options) {
        match std::fs::remove_file(&part) {
            Ok(()) => bail!("{error:#}; it was removed, run the command again to download it anew"),
            Err(stuck) => bail!("{error:#}; delete {} and run the command again ({stuck})", part.display()),
        }
    }
    cache.install(remote)?;
    Ok(true)
}
