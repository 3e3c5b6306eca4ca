//! Rules of fair queuing, in made time.

use super::*;

const WIDE: Width = Width { initial: 1, last: 0, additional: Duration::ZERO };

fn level(limit: usize, queuing: Option<Queuing>) -> (Queues, Instant) {
    let now = clock::now();
    let mut queues = Queues::new(now);
    queues.configure(now, false, queuing);
    queues.set_limit(now, limit);
    (queues, now)
}

/// Lets in a request for which there is room.
fn seated(queues: &mut Queues, now: Instant, flow: u64, width: Width) -> Held {
    match queues.start(now, flow, width, About::default).expect("a seat") {
        Start::Seated(held) => held,
        Start::Waits(ticket) => panic!("{ticket:?}"),
    }
}

/// Queues a request for which there is none.
fn waits(queues: &mut Queues, now: Instant, flow: u64, width: Width) -> Rc<Ticket> {
    match queues.start(now, flow, width, About::default).expect("a place") {
        Start::Seated(held) => panic!("{held:?}"),
        Start::Waits(ticket) => ticket,
    }
}

fn queued(queues: usize, hand_size: usize, length_max: usize) -> Option<Queuing> {
    Some(Queuing { queues, hand_size, length_max })
}

#[test]
fn a_hand_has_different_cards() {
    for hash in 0..10_000_u64 {
        let hand = deal(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15), 64, 6);
        let mut cards: Vec<usize> = hand.iter().take(6).copied().collect();
        cards.sort_unstable();
        cards.dedup();
        assert_eq!(cards.len(), 6, "{hash}");
        assert!(cards.iter().all(|card| *card < 64));
    }
}

#[test]
fn a_level_without_queues_refuses_what_it_has_no_seat_for() {
    let (mut queues, now) = level(2, None);
    let first = seated(&mut queues, now, 0, WIDE);
    seated(&mut queues, now, 0, WIDE);
    assert_eq!(queues.start(now, 0, WIDE, About::default).unwrap_err(), Refusal::ConcurrencyLimit);
    queues.finish(now, first);
    seated(&mut queues, now, 0, WIDE);
}

#[test]
fn the_exempt_level_has_always_room() {
    let now = clock::now();
    let mut queues = Queues::new(now);
    queues.configure(now, true, None);
    for _ in 0..100 {
        seated(&mut queues, now, 0, WIDE);
    }
    assert_eq!(queues.seats_in_use(), 100);
}

#[test]
fn those_who_wait_are_let_in_in_turn_and_a_full_queue_refuses() {
    let (mut queues, now) = level(1, queued(1, 1, 2));
    let first = seated(&mut queues, now, 0, WIDE);
    let second = waits(&mut queues, now, 0, WIDE);
    let third = waits(&mut queues, now, 0, WIDE);
    assert_eq!(queues.start(now, 0, WIDE, About::default).unwrap_err(), Refusal::QueueFull);
    queues.finish(now, first);
    assert_eq!((second.state.get(), third.state.get()), (State::Executing, State::Waiting));
    queues.finish(now, second.held());
    assert_eq!((third.state.get(), queues.counts().0), (State::Executing, 0));
}

#[test]
fn a_flow_that_floods_does_not_starve_another() {
    let (mut queues, mut now) = level(1, queued(64, 1, 1_000));
    let mut running = seated(&mut queues, now, 1, WIDE);
    let flood: Vec<_> = (0..100).map(|_| waits(&mut queues, now, 1, WIDE)).collect();
    let other = waits(&mut queues, now, 2, WIDE);
    let mut served = 0;
    while other.state.get() == State::Waiting {
        now += Duration::from_millis(3);
        queues.finish(now, running);
        if let Some(next) = flood.get(served).filter(|next| next.state.get() == State::Executing) {
            running = next.held();
        }
        served += 1;
    }
    assert!(served <= 3, "the other flow had to wait for {served} requests of the flood");
}

#[test]
fn who_gives_up_leaves_the_queue() {
    let (mut queues, now) = level(1, queued(1, 1, 10));
    let first = seated(&mut queues, now, 0, WIDE);
    let second = waits(&mut queues, now, 0, WIDE);
    let third = waits(&mut queues, now, 0, WIDE);
    queues.cancel(now, &second);
    queues.finish(now, first);
    assert_eq!((second.state.get(), third.state.get()), (State::Gone, State::Executing));
    queues.finish(now, third.held());
    assert_eq!((queues.counts().0, queues.seats_in_use()), (0, 0));
}

#[test]
fn seats_of_watched_writes_stay_taken_for_the_events() {
    let (mut queues, now) = level(2, queued(1, 1, 10));
    let latency = Duration::from_millis(5);
    let width = Width { initial: 1, last: 2, additional: latency };
    let write = seated(&mut queues, now, 0, width);
    let next = waits(&mut queues, now, 0, WIDE);
    queues.finish(now, write);
    assert_eq!((next.state.get(), queues.next_release()), (State::Waiting, Some(now + latency)));
    queues.tick(now + latency);
    assert_eq!(next.state.get(), State::Executing);
}

#[test]
fn a_request_wider_than_the_level_runs_alone() {
    let (mut queues, now) = level(2, queued(1, 1, 10));
    let narrow = seated(&mut queues, now, 0, WIDE);
    let wide = waits(&mut queues, now, 0, Width { initial: 5, ..WIDE });
    assert_eq!(wide.state.get(), State::Waiting);
    queues.finish(now, narrow);
    assert_eq!(wide.state.get(), State::Executing);
}

#[test]
fn who_is_let_in_at_once_pays_for_it_in_virtual_time() {
    let (mut queues, now) = level(2, queued(2, 1, 100));
    // Flow 0 has the one seat and the other; then one of each waits, the poorer flow goes first.
    let first = seated(&mut queues, now, 0, WIDE);
    seated(&mut queues, now, 0, WIDE);
    let more = waits(&mut queues, now, 0, WIDE);
    let other = waits(&mut queues, now, 1, WIDE);
    queues.finish(now, first);
    assert_eq!((more.state.get(), other.state.get()), (State::Waiting, State::Executing));
}
