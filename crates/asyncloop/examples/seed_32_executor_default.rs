//! The default pool: three jobs overlap, in threads of their own.

mod seed_support;

use asyncloop::prelude::*;
use seed_support::{Result, block, current_thread, start_thread};

fn ping(url: &'static str) -> &'static str {
    say!("阻塞函数开始运行,当前的线程ID为:", current_thread());
    block(2.0);
    say!("模拟ping 输出 ", url);
    say!("阻塞函数运行结束,当前的线程ID为:", current_thread());
    url
}

fn start_thread_loop(event_loop: UnboundLoop) {
    let event_loop = event_loop.bind();
    set_event_loop(Some(&event_loop));
    event_loop.run_forever().unwrap();
    set_event_loop(None);
    event_loop.close().unwrap();
}

/// Runs on the loop: a loop's futures never leave its thread.
async fn finish() {
    let event_loop = get_running_loop().unwrap();
    let urls = ["www.baidu.com", "www.qq.com", "www.yangyanxing.com"];
    let fs = urls.map(|url| event_loop.run_in_executor(None, move || ping(url)).unwrap());
    wait(fs, None, ReturnWhen::AllCompleted).await.unwrap();
    event_loop.stop();
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    let unbound = UnboundLoop::new()?;
    let handle = unbound.handle();
    // The loop runs in another thread.
    let t = start_thread("start_thread_loop", move || start_thread_loop(unbound));

    run_coroutine_threadsafe(&handle, finish)?;
    say!("主线程不会阻塞");

    t.join().unwrap();
    say!("loop stopped");
    Ok(())
}
