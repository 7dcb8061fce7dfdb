//! A server that nobody here has written, with a known number of broken links. Without nginx, the tests say so and end.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::run::Report;

struct Nginx {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Nginx {
    /// Serves a folder, with TLS if there is a certificate in it; `None` where there is no nginx.
    fn start(folder: PathBuf) -> Option<Nginx> {
        let names = ["nginx", "/usr/sbin/nginx"];
        let there = |name: &&str| {
            Command::new(name)
                .arg("-v")
                .stderr(Stdio::null())
                .status()
                .is_ok()
        };
        let Some(program) = names.into_iter().find(there) else {
            eprintln!("skipped: there is no nginx here");
            let _ = fs::remove_dir_all(&folder);
            return None;
        };
        let port = free_port();
        let here = folder.display();
        let tls = match folder.join("certificate.pem").exists() {
            true => format!(
                "ssl; ssl_certificate {here}/certificate.pem; ssl_certificate_key {here}/key.pem"
            ),
            false => String::new(),
        };
        let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {here}/{what};\n"))
            .concat();
        let settings = format!(
            "daemon off; master_process off; pid {here}/pid; error_log {here}/errors;\nevents {{}}\nhttp {{\n{folders}\
             access_log {here}/requests; gzip on; types {{ text/html html; image/png png; text/plain txt; }}\n\
             server {{ listen 127.0.0.1:{port} {tls}; root {here}/www; }}\n}}\n"
        );
        fs::write(folder.join("settings"), settings).unwrap();
        let mut command = Command::new(program);
        command
            .args(["-e", "stderr", "-p"])
            .arg(&folder)
            .arg("-c")
            .arg(folder.join("settings"));
        let process = command.spawn().unwrap();
        let mut nginx = Nginx {
            process,
            folder,
            port,
        };
        let (_pause, never) = mpsc::channel::<()>();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = nginx.process.try_wait().unwrap();
            assert!(ended.is_none(), "nginx does not start: {ended:?}");
            let _ = never.recv_timeout(Duration::from_millis(20));
        }
        Some(nginx)
    }
}

/// A port that nobody listens on, and that no system gives to a socket that has not asked for it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    let mut ports = std::iter::repeat_with(|| start + NEXT.fetch_add(1, Ordering::Relaxed));
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.unwrap()
}

/// A folder with a site in it that has three broken links.
fn site(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("asyncloop-{name}-{}", std::process::id()));
    let www = folder.join("www");
    fs::create_dir_all(www.join("folder")).unwrap();
    fs::create_dir_all(www.join("private")).unwrap();
    for (path, text) in [
        (
            "index.html",
            "<a href=folder>a redirect</a><a href=/folder/#part><img src=picture.png srcset='picture.png, gone.png 2x'>\
             <a href='caf\u{e9}.html'><a href=/private/><script>'<a href=no.html>'</script>",
        ),
        (
            "folder/index.html",
            "<base href=/><a href=page.html?query><a href=index.html>",
        ),
        (
            "page.html",
            "<p id=part><a href=gone.html><a href='/folder/gone'>",
        ),
        ("caf\u{e9}.html", "<a href=page.html>"),
        ("private/index.html", "<a href=no.html>"),
        ("picture.png", "no picture"),
        ("robots.txt", "User-agent: *\nDisallow: /private/\n"),
    ] {
        fs::write(www.join(path), text).unwrap();
    }
    folder
}

const BROKEN: [&str; 3] = ["/folder/gone", "/gone.html", "/gone.png"];

#[test]
fn a_site_of_nginx() {
    let Some(nginx) = Nginx::start(site("nginx")) else {
        return;
    };
    let url = format!("http://127.0.0.1:{}/", nginx.port);
    for mode in ["on-loop", "threads", "processes"] {
        let report = Report::of(&["--parse", mode, "--timeout", "60", &url]);
        assert_eq!(report.status, Some(1), "{mode}: {}", report.json);
        assert_eq!(report.paths(), BROKEN, "{mode}");
        assert_eq!(report.number("forbidden"), 1, "{mode}: {}", report.json);
    }
    let report = Report::of(&["--check-fragments", "--timeout", "60", &url]);
    assert_eq!(
        report.paths(),
        ["/folder/#part", "/folder/gone", "/gone.html", "/gone.png"]
    );
}

#[test]
fn a_certificate_that_nobody_has_signed() {
    let folder = site("tls");
    let mut openssl = Command::new("openssl");
    let made = openssl
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-out",
        ])
        .arg(folder.join("certificate.pem"))
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|made| made.success()) {
        eprintln!("skipped: there is no openssl here that makes certificates");
        fs::remove_dir_all(&folder).unwrap();
        return;
    }
    let Some(nginx) = Nginx::start(folder) else {
        return;
    };
    let url = format!("https://127.0.0.1:{}/", nginx.port);
    let report = Report::of(&["--timeout", "60", &url]);
    assert_eq!(report.status, Some(1), "{}", report.json);
    let (_, kind, why) = &report.broken()[0];
    assert!(kind == "tls" && why.contains("--insecure"), "{why}");
    let report = Report::of(&["--insecure", "--timeout", "60", &url]);
    assert_eq!(report.paths(), BROKEN, "{}", report.json);
}
