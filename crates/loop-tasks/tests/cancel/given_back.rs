//! Requests that were passed on to what is then dropped: they come back to the task, and to nobody else.

use std::future::pending;

use futures_util::future::{Either, join, select};
use loop_core::get_running_loop;
use loop_tasks::{TaskError, Timeout, create_task, current_task, sleep};

use crate::common::{MS, Oneshot, run, yields};
use crate::stubborn;

/// The request went through the timeout, whose own it was not.
#[test]
fn a_timeout_that_is_dropped_gives_back_the_request_of_somebody_else() {
    run(async {
        let shot = Oneshot::new();
        let send = shot.clone();
        let task = create_task(async move {
            let limited = Box::pin(Timeout::never().run(stubborn(5, || ())));
            match select(shot, limited).await {
                Either::Left(((), limited)) => drop(limited),
                Either::Right(_) => panic!("it takes its time"),
            }
            pending::<()>().await;
        });
        yields(2).await;
        assert!(task.cancel());
        yields(1).await;
        send.send(());
        assert!(matches!(task.await, Err(TaskError::Cancelled(_))));
        sleep(9 * MS).await; // the child has cleaned up
    });
}

#[test]
fn a_sleep_that_is_dropped_gives_the_request_back() {
    run(async {
        for before in [false, true] {
            let shot = Oneshot::new();
            let send = shot.clone();
            let task = create_task(async move {
                if before {
                    // It has waited for several things at once.
                    join(sleep(MS), sleep(MS)).await;
                }
                match select(shot, Box::pin(sleep(9 * MS))).await {
                    Either::Left(((), sleeping)) => drop(sleeping),
                    Either::Right(_) => panic!("it is too long"),
                }
                pending::<()>().await;
            });
            sleep(2 * MS).await;
            assert!(task.cancel()); // the sleep has it, and has not been polled
            send.send(());
            let outcome = task.await;
            assert!(matches!(outcome, Err(TaskError::Cancelled(_))), "{before}");
        }
    });
}

/// The deadline has come, but its request is taken back together with all others before anybody looks.
#[test]
fn a_deadline_whose_request_was_taken_back_interrupts_nobody() {
    run(async {
        let shot = Oneshot::new();
        let send = shot.clone();
        let task = create_task(async move {
            let me = current_task().unwrap();
            // It is polled first, so that its deadline comes before the callback.
            let limited = Box::pin(Timeout::new(MS).run(shot));
            let taking_back = async move {
                let uncancel = move || _ = me.uncancel();
                get_running_loop()
                    .unwrap()
                    .call_later(MS, uncancel)
                    .unwrap();
                pending::<()>().await;
            };
            match select(limited, Box::pin(taking_back)).await {
                Either::Left((value, _)) => value,
                Either::Right(_) => panic!("it is pending"),
            }
        });
        sleep(2 * MS).await;
        assert!(!task.done());
        send.send("value");
        assert_eq!(task.await.unwrap(), Ok("value"));
    });
}
