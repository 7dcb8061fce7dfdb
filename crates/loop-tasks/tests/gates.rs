//! Gates: what sleeps and locks wait at, and what becomes of those that move, are dropped or are cancelled.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::{join, join_all, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, poll};
use loop_core::EventLoop;
use loop_tasks::{
    Gate, GateOpener, LoopExt, LoopFuture, Sleep, TaskError, catch_cancel, create_task, sleep,
    yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_clock().build().unwrap()
}

/// Runs a program in virtual time and says for how many seconds.
fn seconds<F: Future<Output = ()> + 'static>(program: impl FnOnce(EventLoop) -> F) -> u64 {
    let event_loop = virtual_loop();
    let start = event_loop.time();
    event_loop
        .run_until_complete(program(event_loop.clone()))
        .unwrap();
    let took = event_loop.time() - start;
    event_loop.close().unwrap();
    took.as_secs()
}

type Slot = Rc<RefCell<Option<GateOpener>>>;

/// Waits at a gate whose opener is put into `slot`.
async fn wait_at(gate: &mut Gate, slot: &Slot) -> Result<(), TaskError> {
    poll_fn(|cx| gate.poll_with(cx, |opener| drop(slot.replace(Some(opener))))).await
}

/// Polls a sleep once in a task that goes on for `more`, and hands it out.
async fn begun(delay: Duration, more: Duration) -> Sleep {
    let slot: Rc<Cell<Option<Sleep>>> = Rc::default();
    let task = create_task({
        let inner = Rc::clone(&slot);
        async move {
            let mut sleeping = sleep(delay);
            assert!(poll!(&mut sleeping).is_pending());
            sleep(more).await;
            inner.set(Some(sleeping));
        }
    });
    task.await.unwrap();
    slot.take().unwrap()
}

#[test]
fn opening_schedules_the_step_of_who_waits() {
    let event_loop = EventLoop::new().unwrap();
    let trace = Rc::new(RefCell::new(Vec::new()));
    let slot = Slot::default();
    let waiting = {
        let (trace, slot) = (Rc::clone(&trace), Rc::clone(&slot));
        event_loop.create_task(async move {
            wait_at(&mut Gate::new(), &slot).await.unwrap();
            trace.borrow_mut().push("through");
        })
    };
    event_loop.run_until_complete(yield_now()).unwrap();
    let noted = Rc::clone(&trace);
    let opener = slot.take().unwrap();
    event_loop
        .call_soon(move || {
            assert!(opener.is_closed() && opener.open() && !opener.open());
            assert!(!opener.is_closed() && !opener.is_over());
            noted.borrow_mut().push("opened");
        })
        .unwrap();
    let noted = Rc::clone(&trace);
    event_loop
        .call_soon(move || noted.borrow_mut().push("behind"))
        .unwrap();
    event_loop.run_until_complete(waiting).unwrap();
    assert_eq!(*trace.borrow(), ["opened", "behind", "through"]);
    event_loop.close().unwrap();
}

#[test]
fn one_that_is_opened_at_once_does_not_wait() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let mut gate = Gate::new();
            let opened = poll_fn(|cx| gate.poll_with(cx, |opener| assert!(opener.open())));
            let mut opened = pin!(opened);
            assert!(matches!(poll!(&mut opened), Poll::Ready(Ok(()))));
            assert!(gate.is_open());
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_sleep_that_moves_to_another_task_ends_in_time() {
    let took = seconds(|_| async {
        let sleeping = begun(3 * SECOND, SECOND).await;
        create_task(sleeping).await.unwrap();
    });
    assert_eq!(took, 3);
}

#[test]
fn a_sleep_that_has_ended_may_move_as_well() {
    let took = seconds(|_| async {
        begun(SECOND, 2 * SECOND).await.await;
    });
    assert_eq!(took, 2);
}

#[test]
fn sleeps_move_into_combinators_and_out_of_them() {
    let took = seconds(|_| async {
        let mut sleeps: Vec<Sleep> = (1..=40).map(|n| sleep(n * SECOND)).collect();
        for sleeping in &mut sleeps {
            assert!(poll!(&mut *sleeping).is_pending());
        }
        // With a waker of its own for each.
        let mut joined = join_all(&mut sleeps);
        assert!(poll!(&mut joined).is_pending());
        drop(joined);
        for sleeping in sleeps {
            sleeping.await;
        }
    });
    assert_eq!(took, 40);
}

#[test]
fn a_sleep_is_polled_by_no_task_at_all() {
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let slot: Rc<Cell<Option<Sleep>>> = Rc::default();
    let made = Rc::clone(&slot);
    event_loop
        .call_soon(move || {
            let mut sleeping = sleep(5 * SECOND);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(std::pin::Pin::new(&mut sleeping).poll(&mut cx).is_pending());
            made.set(Some(sleeping));
        })
        .unwrap();
    event_loop.run_once(None).unwrap();
    event_loop.run_until_complete(slot.take().unwrap()).unwrap();
    assert_eq!(event_loop.time() - start, 5 * SECOND);
    event_loop.close().unwrap();
}

/// Begun in a task, and moved within that into something that polls only what was woken.
#[test]
fn a_sleep_that_moves_into_a_combinator_wakes_that() {
    let took = seconds(|_| async {
        let mut sleeping = sleep(SECOND);
        assert!(poll!(&mut sleeping).is_pending());
        let mut inside = FuturesUnordered::from_iter([sleeping]);
        assert!(inside.next().await.is_some());
    });
    assert_eq!(took, 1);
}

#[test]
fn openers_follow_a_gate_that_moves() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let slot = Slot::default();
            let mut gate = Gate::new();
            {
                let mut waiting = pin!(wait_at(&mut gate, &slot));
                assert!(poll!(&mut waiting).is_pending());
            }
            let opener = slot.take().unwrap();
            let inner = Slot::default();
            let other = create_task(async move {
                wait_at(&mut gate, &inner).await.unwrap();
                assert!(inner.take().is_none(), "it begins once");
                gate
            });
            yield_now().await;
            assert!(opener.is_closed() && opener.open() && !opener.open());
            let gate = other.await.unwrap();
            assert!(gate.is_open());
            drop(gate);
            assert!(opener.is_over() && !opener.open());
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_gate_that_is_cancelled_where_it_moved_to_is_not_open() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let slot = Slot::default();
            let gate: Rc<RefCell<Gate>> = Rc::default();
            let look = || {
                let (gate, slot) = (Rc::clone(&gate), Rc::clone(&slot));
                let enter = move |opener| drop(slot.replace(Some(opener)));
                poll_fn(move |cx| Poll::Ready(gate.borrow_mut().poll_with(cx, &enter)))
            };
            assert!(look().await.is_pending());
            let shared = Rc::clone(&gate);
            let wait = poll_fn(move |cx| shared.borrow_mut().poll_with(cx, |_| ()));
            let other = create_task(wait);
            yield_now().await;
            assert!(other.cancel());
            // The request has gone to the gate, which nobody has polled since.
            let opener = slot.take().unwrap();
            assert!(opener.is_over() && !opener.open());
            assert!(!gate.borrow().is_open());
            yield_now().await;
            assert!(other.cancelled());
            let polled = look().await;
            assert!(matches!(polled, Poll::Ready(Err(TaskError::Cancelled(_)))));
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_gate_that_is_dropped_where_it_moved_to_takes_no_request_along() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let mut gate = Gate::new();
            {
                let slot = Slot::default();
                let mut waiting = pin!(wait_at(&mut gate, &slot));
                assert!(poll!(&mut waiting).is_pending());
            }
            let other = create_task(async move {
                {
                    let slot = Slot::default();
                    let mut waiting = pin!(wait_at(&mut gate, &slot));
                    assert!(poll!(&mut waiting).is_pending());
                }
                drop(gate);
                // Here is nothing that a request could go to.
                pending::<()>().await;
            });
            yield_now().await;
            assert!(other.cancel());
            yield_now().await;
            assert!(other.cancelled());
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_dropped_gate_opens_no_more_and_wakes_nobody() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            for moves in [false, true] {
                let slot = Slot::default();
                let mut gate = Gate::new();
                {
                    let mut waiting = pin!(wait_at(&mut gate, &slot));
                    assert!(poll!(&mut waiting).is_pending());
                    if moves {
                        let (mut joined, other) = (pin!(join_all([waiting])), yield_now());
                        assert!(poll!(&mut joined).is_pending());
                        other.await;
                    }
                }
                drop(gate);
                let opener = slot.take().unwrap();
                assert!(!opener.open() && opener.is_over() && !opener.is_closed());
            }
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_request_goes_to_the_gate() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let slot = Slot::default();
            let inner = Rc::clone(&slot);
            let task = create_task(async move {
                let mut gate = Gate::new();
                let caught = catch_cancel(wait_at(&mut gate, &inner)).await;
                assert!(caught.is_err());
                "caught"
            });
            yield_now().await;
            let opener = slot.take().unwrap();
            assert!(task.cancel());
            assert!(!opener.open() && opener.is_over(), "the request was first");
            assert_eq!(task.await.unwrap(), "caught");
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_request_that_comes_after_the_opening_is_heard_all_the_same() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let slot = Slot::default();
            let inner = Rc::clone(&slot);
            let reached = Rc::new(Cell::new(false));
            let noted = Rc::clone(&reached);
            let task = create_task(async move {
                wait_at(&mut Gate::new(), &inner).await.unwrap();
                noted.set(true);
            });
            yield_now().await;
            assert!(slot.take().unwrap().open());
            assert!(task.cancel());
            assert!(task.clone().await.is_err() && task.cancelled());
            assert!(
                !reached.get(),
                "the step that was on its way raises it at the gate"
            );
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_cancelled_gate_that_moves_gives_the_request_back() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let slot = Slot::default();
            let gate: Rc<RefCell<Gate>> = Rc::default();
            let (inner, shared) = (Rc::clone(&slot), Rc::clone(&gate));
            let first = create_task(async move {
                let wait = poll_fn(|cx| {
                    let enter = |opener| drop(inner.replace(Some(opener)));
                    shared.borrow_mut().poll_with(cx, enter)
                });
                // Beside the gate stands nothing else to wait for: the request goes to the gate.
                let _ = wait.await;
            });
            yield_now().await;
            assert!(first.cancel());
            // Before the first task has its step, another one looks at the gate.
            let polled = poll_fn(|cx| Poll::Ready(gate.borrow_mut().poll_with(cx, |_| ()))).await;
            assert!(matches!(polled, Poll::Ready(Err(TaskError::Cancelled(_)))));
            assert!(first.clone().await.is_err() && first.cancelled());
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_gate_that_is_dropped_with_a_request_on_its_way_gives_that_back() {
    let trace = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&trace);
    let took = seconds(|_| async move {
        let other = Rc::new(Cell::new(false));
        let ready = Rc::clone(&other);
        let task = create_task(async move {
            let body = async {
                let other = poll_fn(|_| {
                    if ready.get() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                });
                drop(select(other, sleep(60 * SECOND)).await);
                noted.borrow_mut().push("goes on");
                sleep(60 * SECOND).await;
                noted.borrow_mut().push("never");
            };
            assert!(catch_cancel(body).await.is_err());
            noted.borrow_mut().push("interrupted");
        });
        yield_now().await;
        assert!(task.cancel());
        other.set(true);
        task.await.unwrap();
    });
    assert_eq!(took, 0);
    assert_eq!(*trace.borrow(), ["goes on", "interrupted"]);
}

#[test]
fn several_gates_in_one_task_open_in_any_order() {
    let event_loop = EventLoop::new().unwrap();
    event_loop
        .run_until_complete(async {
            let slots: Vec<Slot> = (0..5).map(|_| Slot::default()).collect();
            let inner = slots.clone();
            let task = create_task(async move {
                let wait = async |slot: Slot| wait_at(&mut Gate::new(), &slot).await.unwrap();
                let [a, b, c, d, e]: [Slot; 5] = inner.try_into().unwrap();
                // `join` polls with the task's own waker.
                join(
                    wait(a),
                    join(wait(b), join(wait(c), join(wait(d), wait(e)))),
                )
                .await;
            });
            yield_now().await;
            for index in [3, 0, 4, 1, 2] {
                assert!(!task.done());
                assert!(slots[index].take().unwrap().open());
                yield_now().await;
            }
            task.await.unwrap();
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_gate_belongs_to_one_loop() {
    let (one, other) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let slot = Slot::default();
    let inner = Rc::clone(&slot);
    let id = one.id();
    let gate = one
        .run_until_complete(async move {
            let mut gate = Gate::new();
            {
                let mut waiting = pin!(wait_at(&mut gate, &inner));
                assert!(poll!(&mut waiting).is_pending());
            }
            gate
        })
        .unwrap();
    assert_eq!(slot.borrow().as_ref().unwrap().loop_id(), id);
    let refused = other.run_until_complete(async move {
        let mut gate = gate;
        wait_at(&mut gate, &Slot::default()).await
    });
    assert!(matches!(refused.unwrap(), Err(TaskError::WrongLoop(_))));
    one.close().unwrap();
    other.close().unwrap();
}

#[test]
fn openers_outlive_tasks_and_loops() {
    let slot = Slot::default();
    let event_loop = EventLoop::new().unwrap();
    let inner = Rc::clone(&slot);
    let _task = event_loop.create_task(async move {
        let held: LoopFuture<()> = loop_core::get_running_loop().unwrap().create_future();
        wait_at(&mut Gate::new(), &inner).await.unwrap();
        drop(held);
    });
    event_loop.set_exception_handler(|_, _| ());
    event_loop.run_until_complete(yield_now()).unwrap();
    event_loop.close().unwrap();
    drop(event_loop);
    let opener = slot.take().unwrap();
    assert!(!opener.open() && opener.is_over());
    assert_eq!(format!("{opener:?}"), "<GateOpener gone>");
}

/// Alone, and in a combinator, which has a waker of its own for each of so many.
#[test]
fn who_has_begun_is_woken_without_another_poll() {
    async fn wait_a_second(event_loop: EventLoop) {
        let mut begun: Option<Gate> = None;
        let opened = poll_fn(|cx| {
            if let Some(gate) = &mut begun {
                return gate.poll(cx);
            }
            let (gate, opener) = Gate::begin(cx, "to wait");
            let open = move || assert!(opener.open());
            event_loop.call_later(SECOND, open).unwrap();
            begun = Some(gate);
            Poll::Pending
        });
        opened.await.unwrap();
    }

    let took = seconds(|event_loop| async move {
        wait_a_second(event_loop.clone()).await;
        join_all((0..40).map(|_| wait_a_second(event_loop.clone()))).await;
    });
    assert_eq!(took, 2);
}

#[test]
#[should_panic(expected = "before it has begun")]
fn one_that_has_not_begun_is_not_to_be_polled() {
    let mut cx = Context::from_waker(Waker::noop());
    let _ = Gate::new().poll(&mut cx);
}
