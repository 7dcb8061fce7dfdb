//! A pool of processes: each job on the main thread of a process of its own; the loop only collects.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, block, current_thread, start_thread};

process_fn! {
    fn ping(url: String) {
        say!(
            "阻塞函数开始运行,当前的线程ID为:",
            current_thread(),
            "进程ID为:",
            std::process::id()
        );
        block(2.0);
        say!("模拟ping 输出 ", url);
        say!("阻塞函数运行结束,当前的线程ID为:", current_thread());
    }
}

fn start_thread_loop(event_loop: UnboundLoop) {
    let event_loop = event_loop.bind();
    set_event_loop(Some(&event_loop));
    event_loop.run_forever().unwrap();
    set_event_loop(None);
    event_loop.close().unwrap();
}

fn main() -> Result {
    // The other processes are this program too, and go no further than this line.
    worker_main();

    say!("In main thread ", current_thread());
    let unbound = UnboundLoop::new()?;
    let handle = unbound.handle();
    let executor = ProcessPoolExecutor::new(3)?;
    // The loop runs in another thread.
    let t = start_thread("start_thread_loop", move || start_thread_loop(unbound));

    // Jobs are submitted from this thread; the loop only collects.
    let mut fs = Vec::new();
    for url in ["www.baidu.com", "www.qq.com", "www.yangyanxing.com"] {
        fs.push(executor.submit(ping::job(url.to_owned()))?);
    }
    say!("主线程不会阻塞");

    run_coroutine_threadsafe(&handle, || async {
        let fs = fs.into_iter().map(wrap_future);
        wait(fs, None, ReturnWhen::AllCompleted).await.unwrap();
        get_running_loop().unwrap().stop();
    })?;

    t.join().unwrap();
    say!("loop stopped");
    executor.shutdown(true, false)?;
    Ok(())
}
