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
