//! Values of every alignment: each stands where the type demands it, in whatever cell.

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::virtual_loop;
use loop_tasks::{LoopExt, LoopFuture, Task, gather, shield, yield_now};

/// What says where it stood when it was cloned.
struct Places<A>(Rc<RefCell<Vec<usize>>>, u64, A);

impl<A: Copy> Clone for Places<A> {
    fn clone(&self) -> Self {
        let place = &raw const *self;
        self.0.borrow_mut().push(place.addr());
        Places(Rc::clone(&self.0), self.1, self.2)
    }
}

#[derive(Clone, Copy)]
#[repr(align(16))]
struct Two;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line;

#[derive(Clone, Copy)]
#[repr(align(4096))]
struct Page;

fn in_every_cell<A: Copy + 'static>(mark: A) {
    let event_loop = virtual_loop();
    let places = Rc::new(RefCell::new(Vec::new()));
    let value = |number| Places(Rc::clone(&places), number, mark);
    let future: LoopFuture<Places<A>> = event_loop.create_future();
    future.set_result(value(1)).ok().unwrap();
    let made = value(2);
    let task: Task<Places<A>> = event_loop.create_task(async move {
        yield_now().await; // with the value in the coroutine
        made
    });
    let numbers = event_loop.run_until_complete(async move {
        let both = [future.clone(), (*task).clone()];
        let gathered = gather(&both).await.unwrap();
        let guarded = shield(&task).await.unwrap();
        let taken = [future.await, task.await];
        let all = gathered.into_iter().chain(taken);
        let numbers: Vec<u64> = all.map(|value| value.unwrap().1).collect();
        (numbers, guarded.1)
    });
    assert_eq!(numbers.unwrap(), (vec![1, 2, 1, 2], 2));
    let places = places.take();
    assert_eq!(places.len(), 3);
    assert!(places.iter().all(|place| place % align_of::<A>() == 0));
    event_loop.close().unwrap();
}

#[test]
fn a_value_stands_where_its_type_demands_it() {
    in_every_cell(0_u8);
    in_every_cell(Two);
    in_every_cell(Line);
    in_every_cell(Page);
}
