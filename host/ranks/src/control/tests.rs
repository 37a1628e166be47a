use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::wire::LONGEST;
use super::*;

const HERE: &str = "127.0.0.1";

fn world(rank: usize, world: usize, timeout: Duration) -> World {
    World { place: Place { rank, world }, secret: Some("s".to_owned()), timeout, ..World::alone() }
}

/// Starts a rank, which comes back with the losses that it is told of.
fn start(
    world: &World,
    port: u16,
    listener: Option<TcpListener>,
    version: &str,
) -> Result<(Control, Receiver<String>)> {
    let (tell, told) = channel();
    let on_loss = Box::new(move |lost: &Lost| drop(tell.send(lost.to_string())));
    Ok((Control::start(world, (HERE, port), listener, version, on_loss)?, told))
}

/// All ranks of a world, each in a thread.
fn ranks<R: Send>(count: usize, timeout: Duration, work: impl Fn(Control, Receiver<String>) -> R + Sync) -> Vec<R> {
    let listener = listen(HERE, 0, false).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut listener, work) = (Some(listener), &work);
    thread::scope(|scope| {
        let started: Vec<_> = (0..count)
            .map(|rank| {
                let listener = listener.take_if(|_| rank == 0);
                scope.spawn(move || {
                    let (control, told) = start(&world(rank, count, timeout), port, listener, "1").unwrap();
                    work(control, told)
                })
            })
            .collect();
        started.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn named(rank: usize) -> String {
    Peer { rank, host: machine(), pid: std::process::id() }.to_string()
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn values_are_told_by_name() {
    let all = ranks(4, LONG, |control, _told| {
        let own = control.place().rank as u8;
        let word = control.broadcast("word", vec![own; 3]).unwrap();
        let all = control.gather("all", &vec![own; own as usize]).unwrap();
        let empty = control.gather("nothing", &[]).unwrap();
        let large = control.broadcast("large", vec![own + 1; 1 << 20]).unwrap();
        assert!(control.lost().is_none() && large == vec![1; 1 << 20]);
        control.finish();
        (word, all, empty)
    });
    let parts = vec![vec![], vec![1], vec![2; 2], vec![3; 3]];
    assert!(all.into_iter().all(|rank| rank == (vec![0; 3], parts.clone(), vec![vec![]; 4])));
    let alone = Control::alone();
    assert_eq!(alone.broadcast("x", vec![7]).unwrap(), [7]);
    assert_eq!(alone.gather("x", &[8]).unwrap(), [[8]]);
    assert!(alone.lost_by_now().is_none());
}

#[test]
fn ranks_at_different_places_are_told_apart() {
    let all = ranks(2, LONG, |control, _told| {
        let name = ["config", "folder"][control.place().rank];
        let lost = control.broadcast(name, vec![]).map(drop);
        // the first one waits until the other has seen it
        let end = control.gather("end", &[]).map(drop).and(lost);
        control.finish();
        end
    });
    let lost = all[1].as_ref().unwrap_err().to_string();
    assert!(lost.contains("do not run the same command") && lost.contains("`config`"), "{lost}");
}

#[test]
fn last_words_reach_all_whoever_says_them() {
    for (speaker, words) in [(0, "the disk is full"), (1, "the disk is full"), (2, "it ended early")] {
        let all = ranks(3, LONG, |control, told| {
            control.gather("start", &[]).unwrap();
            control.during("step 7");
            if control.place().rank == speaker {
                if words != "it ended early" {
                    control.last_words(words);
                }
                return (format!("{}: {words}", named(speaker)), String::new());
            }
            let waited = control.gather("never", &[]).unwrap_err().to_string();
            assert_eq!(control.lost(), Some(Lost(waited.clone())));
            (told.recv().unwrap(), waited)
        });
        for (rank, (told, waited)) in all.iter().enumerate() {
            assert_eq!(told, &all[speaker].0, "{speaker} to {rank}");
            assert!(rank == speaker || waited == told, "{waited}");
        }
    }
}

#[test]
fn a_panic_is_last_words_and_a_good_end_is_no_loss() {
    let all = ranks(3, LONG, |control, told| match control.place().rank {
        1 => thread::spawn(move || {
            let _held = control;
            panic!("on purpose");
        })
        .join()
        .unwrap_err()
        .downcast::<&str>()
        .unwrap()
        .to_string(),
        _ => told.recv().unwrap(),
    });
    assert!(all[0].ends_with("a panic, which is an error of the program") && all[0] == all[2], "{all:?}");
    let all = ranks(3, LONG, |control, told| {
        if control.place().rank == 2 {
            control.finish();
            return told.try_recv().is_err();
        }
        let lost = control.gather("never", &[]).unwrap_err().to_string();
        control.finish();
        lost.contains("has left, and") && told.try_recv().is_err()
    });
    assert_eq!(all, [true; 3]);
}

/// A rank that is no program of ours: it comes, and does nothing afterwards.
fn fake(port: u16, rank: usize, count: usize) -> TcpStream {
    let peer = Peer { rank, host: "node2".to_owned(), pid: 4711 };
    let hello = Hello { secret: "s".to_owned(), version: "1".to_owned(), world: count, peer };
    let stream = TcpStream::connect((HERE, port)).unwrap();
    Message::Hello(hello).write(&stream).unwrap();
    stream
}

#[test]
fn who_ends_without_a_word_is_noticed_at_once_and_who_is_silent_in_time() {
    let timeout = Duration::from_secs(2);
    for (silent, what) in [(false, "ended"), (true, "has not been heard for 2 s")] {
        let listener = listen(HERE, 0, false).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = fake(port, 2, 3);
        let other = thread::spawn(move || start(&world(1, 3, timeout), port, None, "1").unwrap());
        let (first, told) = start(&world(0, 3, timeout), port, Some(listener), "1").unwrap();
        let (second, told_second) = other.join().unwrap();
        first.during("step 1207");
        assert!(first.lost().is_none());
        let start = Instant::now();
        let held = Some(stream).filter(|_| silent);
        let sentence = told.recv().unwrap();
        let took = start.elapsed();
        assert_eq!(sentence, format!("rank 2 (node2, pid 4711) {what} during step 1207"));
        assert_eq!(first.lost_by_now(), Some(Lost(sentence.clone())));
        assert_eq!(told_second.recv().unwrap(), sentence);
        assert!(if silent { took > timeout / 2 } else { took < timeout / 2 }, "{took:?}");
        assert_eq!(first.gather("x", &[]).unwrap_err().to_string(), sentence);
        assert_eq!(second.broadcast("x", vec![]).unwrap_err().to_string(), sentence);
        drop(held);
    }
}

#[test]
fn the_end_of_rank_0_is_noticed_by_all() {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = thread::spawn(move || start(&world(1, 2, LONG), port, None, "1").unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    assert!(matches!(Message::read(&stream, LONGEST), Ok(Message::Hello(_))));
    Message::Welcome(Peer { rank: 0, host: "node1".to_owned(), pid: 1 }).write(&stream).unwrap();
    let (_control, told) = other.join().unwrap();
    stream.write_all(&[9, 0]).unwrap();
    drop(stream);
    assert_eq!(told.recv().unwrap(), "rank 0 (node1, pid 1) ended");
}

#[test]
fn who_does_not_fit_is_refused_by_name() {
    let timeout = Duration::from_millis(400);
    let refused = |other: World, version: &'static str| {
        let listener = listen(HERE, 0, false).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = thread::spawn(move || start(&other, port, None, version).unwrap_err().to_string());
        let first = start(&world(0, 3, timeout), port, Some(listener), "ebt 1").unwrap_err().to_string();
        (first, other.join().unwrap())
    };
    let both = |other: World, version, part: &str| {
        let (first, other) = refused(other, version);
        assert!(first.contains(part) && first == other, "{first} | {other}");
    };
    both(world(1, 3, timeout), "ebt 2", &format!("{} is ebt 2, and {} is ebt 1", named(1), named(0)));
    both(world(1, 4, timeout), "ebt 1", "is one of 4 ranks, and");
    both(world(3, 3, timeout), "ebt 1", "is none of 3 ranks");
    both(world(0, 3, timeout), "ebt 1", "say that they are the same rank");
    both(world(1, 3, timeout), "ebt 1", "rank 2 did not come to 127.0.0.1:");
    let (first, other) = refused(World { secret: Some("other".to_owned()), ..world(1, 3, timeout) }, "ebt 1");
    assert!(first.starts_with("ranks 1, 2 did not come to"), "{first}");
    assert!(other.starts_with("rank 0 of another job listens there: set MASTER_PORT"), "{other}");
}

#[test]
fn strangers_at_the_port_do_no_harm() {
    let listener = listen(HERE, 0, false).unwrap();
    let port = listener.local_addr().unwrap().port();
    let strangers = [&b"GET / HTTP/1.1\r\n\r\n"[..], &[255; 64], &[]].map(|bytes| {
        let mut stream = TcpStream::connect((HERE, port)).unwrap();
        stream.write_all(bytes).unwrap();
        if bytes.is_empty() {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        stream
    });
    let other = thread::spawn(move || start(&world(1, 2, LONG), port, None, "1").map(drop));
    let first = start(&world(0, 2, LONG), port, Some(listener), "1").unwrap();
    other.join().unwrap().unwrap();
    drop(first);
    for mut stream in strangers {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "strangers are told nothing");
    }
}

#[test]
fn addresses_and_ports_that_cannot_be_had_are_refused() {
    let held = listen(HERE, 0, false).unwrap();
    let port = held.local_addr().unwrap().port();
    let refused = |address, port, elsewhere| listen(address, port, elsewhere).unwrap_err().to_string();
    let taken = refused(HERE, port, false);
    assert_eq!(
        taken,
        format!(
            "port {port} of 127.0.0.1 is taken by another program: set MASTER_PORT (or EBT_MASTER_PORT) to a free one"
        )
    );
    let own = refused(HERE, 0, true);
    assert!(own.contains("which other machines cannot reach: set MASTER_ADDR"), "{own}");
    // those who would look for rank 0 there do not wait for it
    assert_eq!(check_address(HERE).unwrap_err().to_string(), own);
    assert!(["192.0.2.1", "no such machine"].into_iter().all(|address| check_address(address).is_ok()));
    let foreign = refused("192.0.2.1", 7, true);
    assert!(foreign.starts_with("192.0.2.1 (192.0.2.1) is not an address of "), "{foreign}");
    let unknown = refused("no such machine", 7, true);
    assert!(unknown.starts_with("no machine named no such machine is known"), "{unknown}");
    let nobody = start(&world(1, 2, Duration::from_millis(50)), port, None, "1");
    drop(held);
    let nobody = nobody.unwrap_err().to_string();
    assert!(nobody.starts_with(&format!("rank 1 on {} did not reach rank 0 at 127.0.0.1", machine())), "{nobody}");
}
