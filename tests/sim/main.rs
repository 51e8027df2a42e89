//! The event loop's bookkeeping under a clock that is moved by hand and events in a random order.
//!
//! Goal: whatever the order in which timers fire, results arrive, guests use up slices and tasks
//! are cancelled or panic, each task that is left alone ends exactly once and not before its
//! time, no cancelled task runs again, and nothing stays behind.
//! Method: a seeded run draws thousands of events, and a plain model says what may have happened.
//! A failure prints the seed; `HOB_SIM_SEED=N cargo test --test sim` replays it.

mod host_threads;
mod offload_threads;
mod world;

use hob::event_loop::Share;
use world::World;

/// Enough for every pair of events to meet in every order; a run takes some milliseconds.
const SEEDS: u64 = 200;

#[test]
fn every_task_ends_once_or_is_cancelled_whatever_the_order() {
    let seeds = match std::env::var("HOB_SIM_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("HOB_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| World::new(seed).run());
        if let Err(panic) = outcome {
            eprintln!("the failing seed is {seed}: HOB_SIM_SEED={seed} replays it");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn a_timer_does_not_fire_before_its_deadline() {
    let mut world = World::new(1);
    let early = world.spawn_sleeper(10);
    let late = world.spawn_sleeper(20);
    world.turn();
    world.advance_ms(10);
    world.turn();
    assert!(world.has_ended(early) && !world.has_ended(late));
    world.advance_ms(9);
    world.turn();
    assert!(!world.has_ended(late));
    world.advance_ms(1);
    world.turn();
    assert!(world.has_ended(late));
}

#[test]
fn heavy_guests_take_turns_one_slice_a_turn_and_light_tasks_go_on() {
    let mut world = World::new(2);
    let heavy = [world.spawn_heavy(3), world.spawn_heavy(3)];
    let mut order = Vec::new();
    for _ in 0..6 {
        let light = world.spawn_light();
        let before: Vec<u32> = heavy.iter().map(|task| world.slices(*task)).collect();
        world.turn();
        assert!(world.has_ended(light), "a light task waits for no heavy one");
        let ran: Vec<usize> =
            (0..2).filter(|index| world.slices(heavy[*index]) > before[*index]).collect();
        assert_eq!(ran.len(), 1, "one slice a turn");
        order.push(ran[0]);
    }
    assert_eq!(order, [0, 1, 0, 1, 0, 1], "in turn");
    assert!(heavy.iter().all(|task| world.has_ended(*task)));
}

#[test]
fn what_a_short_guest_has_woken_does_not_wait_for_one_that_computes() {
    let mut world = World::new(3);
    let [short, light] = world.spawn_short_of(Share::new(0, 1));
    let long = world.spawn_heavy_of(Share::new(1, 1), 2);
    while !world.has_ended(long) {
        world.turn();
        assert!(world.has_ended(light) || world.slices(long) == 0, "the answer waits for a slice");
    }
    assert!(world.has_ended(short) && world.has_ended(light));
}

#[test]
fn who_comes_while_light_tasks_run_does_not_wait_for_a_guest_that_computes() {
    let mut world = World::new(8);
    let (address, accepter) = world.spawn_accepter();
    world.turn();
    let long = world.spawn_heavy_of(Share::new(0, 1), 2);
    world.spawn_client_of(address);
    while !world.has_ended(long) {
        world.turn();
        assert!(world.has_ended(accepter), "the connection waits for a slice");
    }
}

#[test]
fn a_task_that_panics_takes_no_other_with_it() {
    let mut world = World::new(3);
    let sleeper = world.spawn_sleeper(5);
    world.spawn_panicking();
    world.turn();
    world.advance_ms(5);
    world.turn();
    assert!(world.has_ended(sleeper));
    assert_eq!(world.panics(), 1);
    assert_eq!(world.tasks_alive(), 0);
}

#[test]
fn a_full_inbox_refuses_at_once_and_takes_again_when_it_is_drained() {
    let world = World::new(4);
    world.fill_inbox_and_drain();
}

#[test]
fn a_result_no_one_waits_for_is_thrown_away() {
    let world = World::new(5);
    world.settle_after_drop();
}

#[test]
fn parties_that_want_the_loop_have_it_by_their_weights_whatever_the_order() {
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new(seed);
        // Enough guests and slices that none is at its end before the count is taken.
        let weights: Vec<u32> = (0..3).map(|_| random.u32(1..6)).collect();
        let mut guests: Vec<(usize, usize)> = Vec::new();
        let mut order: Vec<usize> =
            (0..3).flat_map(|party| vec![party; random.usize(1..6)]).collect();
        random.shuffle(&mut order);
        for party in order {
            let share = Share::new(party as u64, weights[party]);
            guests.push((party, world.spawn_heavy_of(share, 1000)));
        }
        const ROUNDS: u32 = 20;
        let slices: u32 = weights.iter().sum::<u32>() * ROUNDS;
        (0..slices).for_each(|_| world.turn());
        for (party, weight) in weights.iter().enumerate() {
            let of_party = guests.iter().filter(|(owner, _)| *owner == party);
            let had: Vec<u32> = of_party.map(|(_, guest)| world.slices(*guest)).collect();
            let sum: u32 = had.iter().sum();
            let due = weight * ROUNDS;
            assert!(sum.abs_diff(due) <= 1, "seed {seed}: {sum} slices of {due} at {weights:?}");
            let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
            assert!(most - least <= 1, "seed {seed}: a party's own go in turn: {had:?}");
        }
    }
}

#[test]
fn a_party_that_comes_anew_is_next_and_one_that_has_rested_has_no_credit() {
    let mut world = World::new(6);
    let (old, new) = (Share::new(0, 1), Share::new(1, 1));
    let long = world.spawn_heavy_of(old, 1000);
    (0..100).for_each(|_| world.turn());
    assert_eq!(world.slices(long), 100);
    let late = world.spawn_heavy_of(new, 1000);
    (0..2).for_each(|_| world.turn());
    assert!(world.slices(late) >= 1, "it does not wait for more than the slice under way");
    (0..100).for_each(|_| world.turn());
    let (of_old, of_new) = (world.slices(long) - 100, world.slices(late));
    assert!(of_old.abs_diff(of_new) <= 2, "{of_old} and {of_new} slices");
}

#[test]
fn a_party_alone_is_not_told_to_wait_and_one_that_is_ahead_of_another_is() {
    let world = World::new(7);
    let (remote, now) = (world.remote(), world.now());
    let (ahead, other) = (Share::new(0, 1), Share::new(1, 1));
    for _ in 0..100 {
        assert!(remote.may_run(ahead, now), "no one else wants the loop");
        remote.charge(ahead, now, hob::limits::SLICE);
    }
    // The other has come, and is even with the one that had the loop.
    assert!(remote.may_run(other, now));
    remote.charge(other, now, hob::limits::LEAD / 2);
    assert!(remote.may_run(ahead, now));
    remote.charge(ahead, now, hob::limits::SLICE);
    assert!(!remote.may_run(ahead, now));
    assert!(remote.may_run(other, now));
    // Later the other does not want it any more.
    assert!(remote.may_run(ahead, now + hob::limits::CONTENDED_FOR));
}
