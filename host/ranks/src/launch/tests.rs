use super::*;

/// The world of an environment, given as words `NAME=value`.
fn find(text: &str) -> Result<World> {
    let value = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    World::find(Ranks::Auto, &|name| value(name).map(str::to_owned))
}

fn refused(text: &str) -> String {
    find(text).expect_err(text).to_string()
}

/// Rank, world, rank and world of the machine, and how.
fn found(text: &str) -> (usize, usize, usize, usize, How) {
    let world = find(text).unwrap();
    (world.place.rank, world.place.world, world.local_rank, world.local_world, world.how)
}

const OPEN_MPI: &str = "OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_LOCAL_RANK=1 \
                        OMPI_COMM_WORLD_LOCAL_SIZE=2 PMIX_RANK=3";
const HYDRA: &str = "PMI_RANK=3 PMI_SIZE=4 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2";
const TORCH: &str = "RANK=3 WORLD_SIZE=4 LOCAL_RANK=1 LOCAL_WORLD_SIZE=2 MASTER_ADDR=node1 MASTER_PORT=29500";
const STEP: &str = "SLURM_STEP_ID=0 SLURM_PROCID=3 SLURM_NTASKS=4 SLURM_LOCALID=1 SLURM_NODEID=1 \
                    SLURM_TASKS_PER_NODE=2(x2) SLURM_STEP_NODELIST=node[01-02] SLURM_JOB_ID=123456";

#[test]
fn every_launcher_is_read() {
    assert_eq!(find("").unwrap(), World::alone());
    assert_eq!(found(OPEN_MPI), (3, 4, 1, 2, How::Mpi(Family::OpenMpi)));
    assert_eq!(found(HYDRA), (3, 4, 1, 2, How::Mpi(Family::Pmi)));
    assert_eq!(found("PMI_RANK=0 PMI_SIZE=2"), (0, 2, 0, 1, How::Mpi(Family::Pmi)));
    assert_eq!(found(TORCH), (3, 4, 1, 2, How::Env));
    assert_eq!(found(STEP), (3, 4, 1, 2, How::Slurm));
    assert_eq!(found(&format!("{STEP} PMIX_RANK=3")), (3, 4, 1, 2, How::Mpi(Family::Pmix)));
    assert_eq!(found(&format!("{STEP} PMI_RANK=3 PMI_SIZE=4")), (3, 4, 1, 2, How::Mpi(Family::Pmi)));
    // a step of two processes in an allocation for four
    assert_eq!(found(&format!("{STEP} SLURM_STEP_NUM_TASKS=6")).1, 6);
}

#[test]
fn one_process_is_alone() {
    for one in ["RANK=0 WORLD_SIZE=1", "PMI_RANK=0 PMI_SIZE=1", "SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_NTASKS=1"] {
        assert_eq!(find(one).unwrap(), World::alone());
    }
    // what sbatch and salloc run themselves
    for shell in ["", "SLURM_STEP_ID=4294967291", "SLURM_STEP_ID=4294967290"] {
        assert_eq!(find(&format!("SLURM_PROCID=0 SLURM_NTASKS=8 SLURM_JOB_ID=1 {shell}")).unwrap(), World::alone());
    }
    let all = World::find(Ranks::Off, &|_| Some("7".to_owned())).unwrap();
    assert_eq!(all, World { timeout: Duration::from_secs(7), ..World::alone() });
    assert_eq!(("auto".parse::<Ranks>().unwrap(), "off".parse::<Ranks>().unwrap()), (Ranks::Auto, Ranks::Off));
    assert_eq!("on".parse::<Ranks>().unwrap_err().to_string(), "`on` is neither auto nor off");
}

#[test]
fn what_started_the_launcher_does_not_count() {
    let outer = "SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_NTASKS=2 SLURM_LOCALID=0 SLURM_TASKS_PER_NODE=1(x2)";
    assert_eq!(found(&format!("{outer} {OPEN_MPI}")), (3, 4, 1, 2, How::Mpi(Family::OpenMpi)));
    assert_eq!(found(&format!("{outer} {HYDRA}")), (3, 4, 1, 2, How::Mpi(Family::Pmi)));
    assert_eq!(found(&format!("{outer} {TORCH} TORCHELASTIC_RUN_ID=7")), (3, 4, 1, 2, How::Env));
    assert_eq!(found(&format!("{outer} {OPEN_MPI} PMI_RANK=0 PMI_SIZE=2")), (3, 4, 1, 2, How::Mpi(Family::OpenMpi)));
    // variables of torchrun's names beside a launcher of MPI that say the same
    assert_eq!(found(&format!("{OPEN_MPI} {TORCH}")).4, How::Mpi(Family::OpenMpi));
    assert_eq!(found(&format!("{STEP} {TORCH}")).4, How::Env);
    assert_eq!(found(&format!("{STEP} WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=7")).4, How::Slurm);
}

#[test]
fn rank_0_is_found() {
    let master = |text: &str| find(text).unwrap().master;
    let at = |address: &str, port| Some((address.to_owned(), port));
    assert_eq!(master(TORCH), at("node1", 29500));
    // torchrun listens at its port itself
    assert_eq!(master(&format!("{TORCH} TORCHELASTIC_USE_AGENT_STORE=True")), at("node1", 29501));
    assert_eq!(master(&format!("{TORCH} TORCHELASTIC_USE_AGENT_STORE=False")), at("node1", 29500));
    assert_eq!(master(&format!("EBT_MASTER_PORT=7 {TORCH}")), at("node1", 7));
    assert_eq!(master(STEP), at("node01", 20_000 + 3456));
    assert_eq!(master(&format!("{STEP} MASTER_ADDR=10.0.0.1 MASTER_PORT=9")), at("10.0.0.1", 9));
    let one = STEP.replace("2(x2)", "4").replace("NODEID=1", "NODEID=0");
    assert_eq!(master(&one), at("127.0.0.1", 23_456));
    assert_eq!((master(OPEN_MPI), master(&format!("{HYDRA} MASTER_ADDR=a"))), (None, at("a", 0)));

    let secret = |text: &str| find(text).unwrap().secret;
    assert_eq!(secret(&format!("{TORCH} TORCHELASTIC_RUN_ID=x")).as_deref(), Some("x at node1:29500"));
    assert_eq!(secret(STEP).as_deref(), Some("step 123456.0"));
    assert_eq!(secret(HYDRA), None);
    assert_eq!(secret(&format!("{HYDRA} EBT_JOB_SECRET=s")).as_deref(), Some("s"));
    assert_eq!(find(&format!("{HYDRA} EBT_RANK_TIMEOUT=2")).unwrap().timeout, Duration::from_secs(2));
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let end = "unset the variables of what did not start this process, or say --ranks off";
    for other in ["RANK=2 WORLD_SIZE=4", "RANK=3 WORLD_SIZE=8", "PMI_RANK=3 PMI_SIZE=8"] {
        let message = refused(&format!("{OPEN_MPI} {other}"));
        assert!(message.starts_with("OMPI_COMM_WORLD_RANK=3 of OMPI_COMM_WORLD_SIZE=4 and "), "{message}");
        assert!(message.ends_with(end), "{message}");
    }
    // torchrun would have said that it started this
    let message = refused(&format!("{STEP} RANK=0 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=7"));
    assert!(message.starts_with("SLURM_PROCID=3 of SLURM_NTASKS=4 and RANK=0 of WORLD_SIZE=4 contradict"), "{message}");
    let message = refused(&format!("{HYDRA} WORLD_SIZE=8"));
    assert_eq!(
        message,
        "PMI_RANK=3 of PMI_SIZE=4 and WORLD_SIZE=8 contradict each other: unset WORLD_SIZE, or say --ranks off"
    );
    for (text, part) in [
        ("RANK=0", "RANK is set and WORLD_SIZE is not: set both"),
        ("WORLD_SIZE=2", "WORLD_SIZE is set and RANK is not"),
        ("PMI_RANK=1", "PMI_RANK is set and PMI_SIZE is not"),
        ("RANK=-1 WORLD_SIZE=2", "RANK=`-1` is no whole number"),
        ("RANK=0 WORLD_SIZE=two", "WORLD_SIZE=`two` is no whole number"),
        ("RANK=2 WORLD_SIZE=2", "RANK=2 of WORLD_SIZE=2: ranks count from 0"),
        ("RANK=0 WORLD_SIZE=0", "ranks count from 0"),
        ("RANK=0 WORLD_SIZE=2 LOCAL_RANK=2 LOCAL_WORLD_SIZE=2", "process 2 of 2 on its machine"),
        ("RANK=0 WORLD_SIZE=2", "not both MASTER_ADDR and MASTER_PORT"),
        ("RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=70000", "MASTER_PORT is no port"),
        ("RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=0", "MASTER_PORT is no port"),
        ("SLURM_STEP_ID=0 SLURM_PROCID=0 SLURM_NTASKS=2", "SLURM_STEP_NODELIST names no machine"),
        ("EBT_RANK_TIMEOUT=0", "seconds after which a silent rank counts as dead"),
    ] {
        let message = refused(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn on_the_processor_mpi_is_asked_for_by_its_command() {
    for (text, start) in [(TORCH, "RANK and WORLD_SIZE, as torchrun sets them, can"), (STEP, "srun without MPI can")] {
        let message = find(text).unwrap().check_processor().unwrap_err().to_string();
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains("`mpirun -n 4`") && message.contains("`srun --mpi=pmi2 -n 4`"), "{message}");
    }
    for text in ["", OPEN_MPI, HYDRA] {
        find(text).unwrap().check_processor().unwrap();
    }
}
