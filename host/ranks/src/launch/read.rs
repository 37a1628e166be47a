//! Reading what launchers write into the environment.

use anyhow::{Result, bail, ensure};

/// A variable of the environment by its name.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What one launcher says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub rank: usize,
    pub world: usize,
    /// Rank and world among the processes of this machine.
    pub local: Option<(usize, usize)>,
    /// The variables that rank and world were read from.
    names: [&'static str; 2],
}

/// The whole number that a variable holds, if it is set to something.
pub fn number(env: Environment, name: &str) -> Result<Option<usize>> {
    let Some(text) = env(name).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    match text.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => bail!("{name}=`{text}` is no whole number: set it right, unset it, or say --ranks off"),
    }
}

impl Found {
    /// Rank and world by two variables that are set both or not at all.
    fn new(env: Environment, names: [&'static str; 2], local: Option<(usize, usize)>) -> Result<Option<Self>> {
        let [rank_name, world_name] = names;
        let (rank, world) = match (number(env, rank_name)?, number(env, world_name)?) {
            (Some(rank), Some(world)) => (rank, world),
            (None, None) => return Ok(None),
            (rank, _) => {
                let (there, missing) = if rank.is_some() { (rank_name, world_name) } else { (world_name, rank_name) };
                bail!("{there} is set and {missing} is not: set both, unset both, or say --ranks off");
            }
        };
        ensure!(
            rank < world,
            "{rank_name}={rank} of {world_name}={world}: ranks count from 0 and are below their number; start the \
             processes by a launcher, or say --ranks off"
        );
        if let Some((rank, count)) = local {
            ensure!(
                rank < count && count <= world,
                "this is said to be process {rank} of {count} on its machine, of {world} altogether: ranks of a machine \
                 count from 0; start the processes by a launcher, or say --ranks off"
            );
        }
        Ok(Some(Self { rank, world, local, names }))
    }

    /// `mpirun` of Open MPI.
    pub fn open_mpi(env: Environment) -> Result<Option<Self>> {
        let local = pair(env, "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE")?;
        Self::new(env, ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"], local)
    }

    /// Launchers of MPICH's family.
    pub fn pmi(env: Environment) -> Result<Option<Self>> {
        let local =
            pair(env, "MPI_LOCALRANKID", "MPI_LOCALNRANKS")?.map_or_else(|| slurm_local(env), |l| Ok(Some(l)))?;
        Self::new(env, ["PMI_RANK", "PMI_SIZE"], local)
    }

    /// `torchrun`; `None` also where only one of its two variables is set and a launcher is there that says all.
    pub fn torch(env: Environment) -> Result<Option<Self>> {
        let local = pair(env, "LOCAL_RANK", "LOCAL_WORLD_SIZE")?;
        let single = env("RANK").is_some() != env("WORLD_SIZE").is_some();
        let launched =
            ["OMPI_COMM_WORLD_RANK", "PMI_RANK"].into_iter().any(|name| env(name).is_some()) || in_step(env)?;
        if single && launched { Ok(None) } else { Self::new(env, ["RANK", "WORLD_SIZE"], local) }
    }

    /// A step of Slurm. What `sbatch` and `salloc` run themselves is no step of many processes, but has its variables.
    pub fn slurm(env: Environment) -> Result<Option<Self>> {
        if !in_step(env)? {
            return Ok(None);
        }
        let world = if env("SLURM_STEP_NUM_TASKS").is_some() { "SLURM_STEP_NUM_TASKS" } else { "SLURM_NTASKS" };
        Self::new(env, ["SLURM_PROCID", world], slurm_local(env)?)
    }

    /// # Errors
    ///
    /// Another rank or another world.
    pub fn agrees_with(&self, other: &Self) -> Result<()> {
        ensure!(
            (self.rank, self.world) == (other.rank, other.world),
            "{self} and {other} contradict each other: unset the variables of what did not start this process, or say \
             --ranks off"
        );
        Ok(())
    }

    /// # Errors
    ///
    /// A variable that is set to another number.
    pub fn agrees_with_single(&self, env: Environment, name: &str, wanted: usize) -> Result<()> {
        let there = number(env, name)?.unwrap_or(wanted);
        ensure!(there == wanted, "{self} and {name}={there} contradict each other: unset {name}, or say --ranks off");
        Ok(())
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [rank, world] = self.names;
        write!(f, "{rank}={} of {world}={}", self.rank, self.world)
    }
}

/// Two numbers, if both are there.
fn pair(env: Environment, a: &str, b: &str) -> Result<Option<(usize, usize)>> {
    Ok(number(env, a)?.zip(number(env, b)?))
}

/// Whether this process is one of a step. The shells of `sbatch` and `salloc` have numbers of steps from 2^32 - 16 on.
fn in_step(env: Environment) -> Result<bool> {
    Ok(number(env, "SLURM_STEP_ID")?.is_some_and(|step| step < 0xffff_fff0))
}

/// Rank and world on this machine in a step of Slurm.
fn slurm_local(env: Environment) -> Result<Option<(usize, usize)>> {
    if !in_step(env)? {
        return Ok(None);
    }
    let list = env("SLURM_STEP_TASKS_PER_NODE").or_else(|| env("SLURM_TASKS_PER_NODE"));
    let node = number(env, "SLURM_NODEID")?.unwrap_or(0);
    let count = list.and_then(|list| tasks_on(&list, node));
    Ok(number(env, "SLURM_LOCALID")?.zip(count))
}

/// Tasks on a machine by Slurm's list: `4(x2),3` are 4 on the first two and 3 on the third.
fn tasks_on(list: &str, node: usize) -> Option<usize> {
    let mut before = 0_usize;
    for group in list.split(',') {
        let (tasks, times) = match group.split_once("(x") {
            Some((tasks, times)) => (tasks, times.strip_suffix(')')?.parse().ok()?),
            None => (group, 1),
        };
        before = before.saturating_add(times);
        if node < before {
            return tasks.trim().parse().ok();
        }
    }
    None
}

/// The first machine of Slurm's list: `node01` of `node[01-03,7],gpu2`.
pub fn first_node(list: &str) -> Option<String> {
    let (mut name, mut rest) = (String::new(), list);
    while let Some(at) = rest.find(['[', ',']) {
        name.push_str(&rest[..at]);
        let (inside, after) = match rest[at..].strip_prefix('[') {
            Some(inside) => inside.split_once(']')?,
            None => ("", ""),
        };
        name.push_str(inside.split([',', '-']).next().unwrap_or_default());
        rest = after;
    }
    name.push_str(rest);
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_slurm_are_read() {
        let first = |list| first_node(list).unwrap_or_default();
        assert_eq!(first("node[01-03,7],gpu2"), "node01");
        assert_eq!(first("gpu2,node[01-03]"), "gpu2");
        assert_eq!(first("node[7,9-10]"), "node7");
        assert_eq!(first("rack[0-1]node[3-4].local,x"), "rack0node3.local");
        assert_eq!(first("karga"), "karga");
        assert_eq!((first(""), first("node[1"), first(",a")), Default::default());
        assert_eq!([0, 1, 2, 3].map(|node| tasks_on("4(x2),3", node)), [Some(4), Some(4), Some(3), None]);
        assert_eq!(tasks_on("2", 0), Some(2));
        assert!(["", "a", "4(x", "4(xa)", "4(x2"].iter().all(|list| tasks_on(list, 0).is_none()));
    }
}
