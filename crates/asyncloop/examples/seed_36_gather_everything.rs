//! Results from tasks, pools and other threads, gathered in one place.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, block, current_thread, seconds, start_thread, time};

fn ping(url: &'static str) -> &'static str {
    say!(
        "阻塞函数开始运行,当前的线程ID为:",
        current_thread(),
        "进程ID为:",
        std::process::id()
    );
    block(4.0);
    say!("模拟ping 输出 ", url);
    say!("阻塞函数运行结束,当前的线程ID为:", current_thread());
    url
}

async fn asyncfunc1() -> &'static str {
    say!("Suspending func1");
    sleep(seconds(1.0)).await;
    say!("func func1 ", current_thread());
    say!("Resuming func1");
    "func1"
}

async fn asyncfunc2() -> &'static str {
    say!("Suspending func2");
    sleep(seconds(2.0)).await;
    say!("func func2 ", current_thread());
    say!("Resuming func2");
    "func2"
}

fn start_thread_loop(event_loop: UnboundLoop) {
    say!("loop线程 id 为", current_thread());
    let event_loop = event_loop.bind();
    set_event_loop(Some(&event_loop));
    event_loop.run_forever().unwrap();
    set_event_loop(None);
    event_loop.close().unwrap();
}

fn callbackfunc(result: &'static str) {
    say!("task 运行结束,它的结果是:", result);
}

async fn run() {
    let t1 = time();
    let event_loop = get_running_loop().unwrap();
    let handle = event_loop.handle();
    // Tasks, by create_task:
    let task1 = event_loop.create_task(asyncfunc1());
    let task2 = event_loop.create_task(asyncfunc2());
    // What run_coroutine_threadsafe gives is a future for threads; it takes callbacks as well.
    let task3 = run_coroutine_threadsafe(&handle, asyncfunc1).unwrap();
    let task4 = run_coroutine_threadsafe(&handle, asyncfunc2).unwrap();
    // Blocking work: futures of this loop.
    let task5 = event_loop
        .run_in_executor(None, || ping("www.baidu.com"))
        .unwrap();
    let task6 = event_loop
        .run_in_executor(None, || ping("www.yangyanxing.com"))
        .unwrap();
    // Tasks, by ensure_future:
    let task7 = ensure_future(asyncfunc1()).unwrap();
    let task8 = ensure_future(asyncfunc2()).unwrap();

    for task in [&task1, &task2] {
        task.add_done_callback(|task| callbackfunc(task.result().unwrap().unwrap()));
    }
    for future in [&task3, &task4] {
        future.add_done_callback(|future| callbackfunc(future.result(None).unwrap()));
    }
    for future in [&task5, &task6] {
        future.add_done_callback(|future| callbackfunc(future.result().unwrap().unwrap()));
    }
    for task in [&task7, &task8] {
        task.add_done_callback(|task| callbackfunc(task.result().unwrap().unwrap()));
    }

    let (r1, r2, r5, r6, r7, r8) = gather!(&task1, &task2, &task5, &task6, &task7, &task8)
        .await
        .unwrap();
    let results = [r1, r2, r5, r6, r7, r8].map(|result| result.unwrap());
    say!(format!("{results:?}"));
    say!(format!("一共用了{}时间", time() - t1));
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let unbound = UnboundLoop::new()?;
    let handle = unbound.handle();
    // The loop runs in another thread.
    let t = start_thread("start_thread_loop", move || start_thread_loop(unbound));

    let f = run_coroutine_threadsafe(&handle, run)?;
    say!("主线程不会阻塞");
    f.result(None)?;
    handle.stop();
    t.join().unwrap();
    say!("loop stopped");
    Ok(())
}
