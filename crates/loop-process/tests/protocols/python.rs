//! The same children under Python's own asyncio, if a `python3` is installed: the same calls in the same order.

use std::process::{Command, Stdio};

use super::{
    CreateSubprocess, SubprocessTransport, create_subprocess_exec, create_subprocess_shell, say,
    trace,
};

const PROGRAM: &str = r#"
import asyncio
class Notes(asyncio.SubprocessProtocol):
    def __init__(self, at, then):
        self.calls, self.at, self.then = [], at, then
        self.lost = asyncio.get_running_loop().create_future()
    def note(self, call):
        self.calls.append(call)
        if call == self.at:
            self.then(self.transport)
    def connection_made(self, transport):
        self.transport = transport
        self.note('made')
    def pipe_data_received(self, fd, data):
        self.note(f'data {fd} {data.decode()}')
    def pipe_connection_lost(self, fd, error):
        self.note(f'pipe lost {fd} {error}')
    def process_exited(self):
        self.note(f'exited {self.transport.get_returncode()}')
    def connection_lost(self, error):
        self.note('lost')
        self.lost.set_result(None)

async def trace(line, at, then, **pipes):
    loop = asyncio.get_running_loop()
    _, notes = await loop.subprocess_shell(lambda: Notes(at, then), line, **pipes)
    await notes.lost
    print(';'.join(notes.calls))

def say(text):
    def then(transport):
        transport.get_pipe_transport(0).write(text)
        transport.get_pipe_transport(0).write_eof()
    return then

async def main():
    none = dict(stdin=None, stdout=None, stderr=None)
    await trace('exec >&-; read line; exit $line', 'pipe lost 1 None', say(b'3\n'), stderr=None)
    await trace('exec 3<&0; cat <&3 & exit 5', 'exited 5', say(b'late'), stderr=None)
    await trace('exec sleep 600', 'made', lambda transport: transport.kill(), **none)
    await trace('exec sleep 600', 'made', lambda transport: transport.close())

asyncio.run(main())
"#;

fn in_and_out(line: &str) -> CreateSubprocess {
    let child = create_subprocess_shell(line);
    child.stdin(Stdio::piped()).stdout(Stdio::piped())
}

#[test]
fn the_traces_are_asyncios() {
    let knows_asyncio = "import asyncio, sys; sys.exit(not hasattr(asyncio, 'run'))";
    let python = |program| Command::new("python3").args(["-c", program]).output();
    if !python(knows_asyncio).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no python3 with asyncio");
        return;
    }
    let python = python(PROGRAM).unwrap();
    assert!(python.status.success(), "{python:?}");
    let sleeper = || create_subprocess_exec("sleep").arg("600");
    let ours = [
        trace(
            in_and_out("exec >&-; read line; exit $line"),
            "pipe lost 1 None",
            |transport| say(transport, b"3\n"),
        ),
        trace(
            in_and_out("exec 3<&0; cat <&3 & exit 5"),
            "exited 5",
            |transport| say(transport, b"late"),
        ),
        trace(sleeper(), "made", |transport| transport.kill().unwrap()),
        trace(
            in_and_out("exec sleep 600").stderr(Stdio::piped()),
            "made",
            SubprocessTransport::close,
        ),
    ];
    let ours = ours.map(|calls| calls.join(";") + "\n").concat();
    assert_eq!(ours, String::from_utf8(python.stdout).unwrap());
}
