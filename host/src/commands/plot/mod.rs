//! `ebt plot`: draws descents and runs.

mod runs;

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use ebt::engine::SessionOptions;
use ebt::packed::Isa;
use ebt::{DescentOptions, Sampling, Settings, TokenGenerator};
use ebt_data::text::clean::normal;
use ebt_tokenizer::Tokenizer;
use ebt_train::sudoku::{read, violations};

use crate::certificate::CertificateFile;
use crate::cli::{DescentArgs, RULES, by_flag, name_of, whole};
use crate::inference::{InferenceModel, SessionMemory, delimiters, extents, spells};
use crate::plot::boards::{Boards, Start};
use crate::plot::landscape::Landscape;
use crate::plot::trajectory::{Recorder, Trajectory};
use crate::plot::{Figure, Format};
use crate::solver::{solve, with_solver};
use runs::RunsArgs;

/// Draw how a model thinks, energies of descents or the landscape that one descends on; or how runs went.
///
/// A trajectory shows the energy before and after every step; grey lines are candidates that were not kept, and upright
/// lines separate landscapes, between which energies do not compare. A landscape is the energy at softmax(Y + a u + b v)
/// around the final state Y: u is the whole move of the descent, v the direction across it towards the second-best
/// candidate (with one candidate the second principal direction of the path). The dots are the states of the descents,
/// projected, and as much of the map lies between one contour and the next. The most probable token goes on to the next panel.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt plot --prompt \"Bir varmış\" --out trajectory.svg
  ebt plot --model runs/turkish --prompt \"Ankara\" --tokens 6 --think 12 --out ankara.png
  ebt plot --prompt \"Ankara\" --kind landscape --candidates 6 --out landscape.png
  ebt generate --prompt \"Ankara\" --tokens 9 --certificate ankara.json
  ebt plot --certificate ankara.json --out ankara.svg
  ebt plot --run runs/a --run runs/b --smooth 0.98 --out curves.svg
  ebt plot --board '..5.2. ...... 2..... .6.1.. 1...5. ...4.3' --candidates 6 --out board.svg")]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE [default: a small model that the program brings along, for a
    /// board one that solves them]
    #[arg(long, value_name = "PATH", conflicts_with = "certificate")]
    model: Option<PathBuf>,
    /// Text whose next token is thought about; read in Unicode NFC, as training text is
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present_any = ["certificate", "board", "run"],
        conflicts_with = "certificate",
        allow_hyphen_values = true
    )]
    prompt: Option<String>,
    /// Board to draw as it fills in, as `ebt solve` reads it, with the free energy of all starts (--think, --candidates)
    #[arg(long, value_name = "BOARD", conflicts_with_all = ["certificate", "prompt"])]
    board: Option<String>,
    /// Draw what `ebt generate --certificate` wrote
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    runs: RunsArgs,
    /// Picture to write, .svg or, in a build with the feature `png`, .png
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to draw
    #[arg(long, value_enum, default_value_t = Kind::Trajectory, value_name = "KIND")]
    kind: Kind,
    /// Tokens to draw trajectories of
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(1..=MOST_PANELS as u64))]
    tokens: u64,
    /// Grid points of a landscape along each axis
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole::<u64>(8..=512))]
    resolution: u64,
    /// Seed of initial states
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    #[command(flatten)]
    think: DescentArgs,
}

/// Kinds of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Energies step by step
    Trajectory,
    /// Energies around the end of a descent
    Landscape,
}

/// Panels of a picture at most.
const MOST_PANELS: usize = 30;

/// Points of a landscape that are evaluated together.
const ROWS: usize = 32;

/// Runs the command.
///
/// # Errors
///
/// Flags out of range, files that cannot be read or written, and a model without energies.
pub fn run(args: Args) -> Result<()> {
    // a wrong name is reported before the work
    Format::of(&args.out)?;
    if let Some(flag) = args.runs.without_run() {
        bail!("{flag}: only with --run");
    }
    let figure = match (&args.certificate, &args.board) {
        _ if !args.runs.run.is_empty() => {
            let refused = args.think.beyond_steps().or(args.think.think.map(|_| "--think"));
            let refused = refused.or((args.tokens > 1).then_some("--tokens"));
            let refused = refused.or((args.kind == Kind::Landscape).then_some("--kind landscape"));
            if let Some(flag) = refused {
                bail!("{flag}: not with --run, which draws what the run has told");
            }
            args.runs.figure()?
        }
        (_, Some(board)) => of_board(&args, board)?,
        (Some(path), _) => {
            if args.kind == Kind::Landscape {
                bail!("--kind landscape needs --prompt: certificates hold energies, not states");
            }
            let steps = args.think.think.map(|_| "--think");
            if let Some(flag) = args.think.beyond_steps().or(steps) {
                bail!("{flag}: with --certificate nothing is thought about anew");
            }
            of_certificates(&CertificateFile::read(path)?)?
        }
        (None, None) => think(&args)?,
    };
    figure.write(&args.out)
}

fn of_certificates(file: &CertificateFile) -> Result<Figure> {
    if file.tokens.iter().all(|token| token.certificate.energies.is_empty()) {
        bail!("the certificates hold no energies: the model that was used has none");
    }
    let tokens = file.tokens.iter().take(MOST_PANELS).map(Trajectory::of_certificate).collect();
    Ok(Figure::Trajectories { title: title(&file.prompt, name_of(RULES, &file.rule)), tokens })
}

/// Steps of a board where none are named.
const BOARD_STEPS: usize = 16;

fn of_board(args: &Args, text: &str) -> Result<Figure> {
    if args.kind == Kind::Landscape {
        bail!("--kind landscape needs --prompt: a board has no one landscape");
    }
    let refused = args.think.beyond_candidates();
    if let Some(flag) = refused.or((args.tokens > 1).then_some("--tokens")) {
        bail!("{flag}: not with --board, of which --think and --candidates say all");
    }
    let think = DescentOptions {
        steps: args.think.think.map_or(BOARD_STEPS, usize::from),
        candidates: args.think.candidates.get(),
        seed: args.seed,
        ..DescentOptions::joint()
    };
    with_solver(args.model.as_deref(), &think, Isa::detect(), |grid, solver| {
        let board = read::board(grid, text).map_err(|fault| anyhow!("--board: {fault}"))?;
        let mut starts = vec![Start::default(); think.candidates];
        let solution = solve(solver, &board, &think, &mut |step| {
            if let Some(start) = starts.get_mut(step.candidate) {
                start.energies.push(f64::from(step.energy));
                start.distributions.push(step.probabilities.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        let mut wrong = Vec::new();
        for (candidate, start) in starts.iter_mut().enumerate() {
            start.energies.extend(solution.assessment(candidate).map(|end| f64::from(end.free)));
            let answer: Vec<u8> = solution.candidate_answer(candidate).map(|token| token as u8).collect();
            let mut cells = vec![false; grid.cells()];
            let broken = violations(&board, &answer);
            broken.iter().flat_map(|violation| violation.places()).for_each(|place| cells[grid.cell(*place)] = true);
            wrong.push(cells);
        }
        let givens = (0..grid.cells()).map(|cell| board.given(cell)).collect();
        let boards = Boards { grid, givens, starts, chosen: solution.certificate.candidate, wrong };
        let title = format!("{} of {} cells given", board.givens(), grid.cells());
        Ok(Figure::Boards { title, boards })
    })
}

fn title(prompt: &str, rule: &str) -> String {
    const LONGEST: usize = 40;
    let count = prompt.chars().count();
    let cut: String = prompt.chars().skip(count.saturating_sub(LONGEST)).collect();
    format!("after {:?}, rule {rule}", if count > LONGEST { format!("…{cut}") } else { cut })
}

fn think(args: &Args) -> Result<Figure> {
    let asked = args.think.request(args.seed)?;
    // energies after every step are what is drawn
    let think = DescentOptions { certify: true, ..asked };
    let model = InferenceModel::load(args.model.as_deref())?;
    let packed = model.model()?;
    let tokenizer = model.tokenizer(&packed)?;
    if packed.config.kind == ebt_core::config::ModelKind::Transformer {
        bail!("{}: the model is a baseline transformer, which has no energy to draw", model.name);
    }
    let extents = extents(&think, packed.descent.steps);
    let extents = match args.kind {
        Kind::Trajectory => extents,
        Kind::Landscape => SessionOptions { rows: extents.rows.max(ROWS), ..extents },
    };
    let mut memory = SessionMemory::of(&packed.config, &extents)?;
    let mut session = memory.session(packed, &extents, Isa::detect())?;
    if let Some(rule) = args.think.rule {
        session.dynamics_mut().update = rule;
    }
    let prompt = normal(args.prompt.as_deref().unwrap_or_default());
    let title = title(&prompt, name_of(RULES, &session.dynamics_mut().update));
    let mut generator = TokenGenerator::new(session, delimiters(&tokenizer)?);
    generator.accept(&tokenizer.encode(&prompt)?)?;
    let figure = match args.kind {
        Kind::Trajectory => {
            let tokens = trajectories(&mut generator, &think, args.tokens, &tokenizer);
            tokens.map(|tokens| Figure::Trajectories { title, tokens })
        }
        Kind::Landscape => {
            let landscape = Landscape::around(generator.session_mut(), &think, args.resolution as usize, extents.rows);
            landscape.map(|landscape| {
                let title = format!("{title}, landscape {}", landscape.landscape + 1);
                Figure::Landscape { title, landscape: Box::new(landscape) }
            })
        }
    };
    figure.map_err(by_flag)
}

/// The next tokens, each the most probable one, until the model ends the text.
fn trajectories(
    generator: &mut TokenGenerator<'_, '_>,
    think: &DescentOptions,
    count: u64,
    tokenizer: &Tokenizer,
) -> Result<Vec<Trajectory>> {
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    let settings = Settings { think: *think, sampling: greedy };
    let mut all = Vec::new();
    for _ in 0..count {
        let mut recorder = Recorder::new(think.candidates, false);
        let drawn = generator.next(&settings, |id| spells(tokenizer, id), &mut |step| recorder.record(step))?;
        let chosen = generator.certificate().map_or(0, |certificate| certificate.candidate);
        let bytes = drawn.and_then(|drawn| tokenizer.token_bytes(drawn.id)).unwrap_or(b"(end)");
        let piece = String::from_utf8_lossy(bytes).into_owned();
        all.push(Trajectory { piece, candidates: recorder.candidates, chosen });
        if drawn.is_none() {
            break;
        }
    }
    Ok(all)
}
