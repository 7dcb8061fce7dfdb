//! No loop: three plain threads overlap.

mod seed_support;

use seed_support::{Result, block, current_thread, start_thread};

fn ping(url: &'static str) -> &'static str {
    say!("阻塞函数开始运行,当前的线程ID为:", current_thread());
    block(2.0);
    say!("模拟ping 输出 ", url);
    say!("阻塞函数运行结束");
    url
}

fn main() -> Result {
    say!("In main thread ", current_thread());
    // three threads
    let urls = ["www.baidu.com", "www.yangyanxing.com", "www.qq.com"];
    for t in urls.map(|url| start_thread("ping", move || ping(url))) {
        t.join().unwrap();
    }
    Ok(())
}
