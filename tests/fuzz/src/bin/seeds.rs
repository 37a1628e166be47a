//! Writes the seeds of every reader to FOLDER/READER/NUMBER, and to standard output the names of the readers.

use std::fs;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("usage: seeds FOLDER"))?);
    for reader in ebt_fuzz::READERS {
        let place = folder.join(reader.name);
        fs::create_dir_all(&place)?;
        for (i, seed) in (reader.seeds)().iter().enumerate() {
            fs::write(place.join(i.to_string()), seed)?;
        }
        println!("{}", reader.name);
    }
    Ok(())
}
