//! What ordinary servers do works in the box: children, threads, workers, event loops, names.
//!
//! Compiled once for each tier. Each line also runs without pinfold, with the same result.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::{Client, Home, Tier, fixture, skip, static_program};

fn tier() -> Tier {
    Tier::of_module(module_path!())
}

/// Runs each piece of code bare and in the box.
fn works(server: &Path, more: &[&str], codes: &[&str]) {
    works_in(&Home::new(), server, more, codes);
}

fn works_in(home: &Home, server: &Path, more: &[&str], codes: &[&str]) {
    home.add_path("puppet", server, more);
    home.set_tier("puppet", tier());
    let mut command = Command::new(server);
    home.environment(&mut command);
    let mut bare = Client::start(command.current_dir(home.path()));
    bare.initialize();
    let mut boxed = home.client("puppet");
    boxed.initialize();
    for code in codes {
        let expected = bare.call_text("do", json!({"code": code}));
        assert!(expected.starts_with("ok:"), "control: {expected}\n{code}");
        let outcome = boxed.call_text("do", json!({"code": code}));
        assert_eq!(outcome, expected, "{code}");
    }
}

#[test]
fn node() {
    works(
        &fixture("puppet.cjs"),
        &[],
        &[
            "const found = require('os').networkInterfaces(); return typeof found",
            "const os = require('os');
             os.userInfo(); os.cpus(); os.loadavg(); os.totalmem(); os.uptime(); os.hostname();
             return [os.arch(), os.platform(), os.availableParallelism() > 0]",
            "const {address} = await require('dns').promises.lookup('localhost', {family: 4}); return address",
            "const {Worker} = require('worker_threads');
             const worker = new Worker('require(\"worker_threads\").parentPort.postMessage(6 * 7)', {eval: true});
             return new Promise((yes, no) => worker.on('message', yes).on('error', no))",
            "const {execFileSync} = require('child_process');
             return execFileSync(process.execPath, ['-e', 'console.log(6 * 7)']).toString()",
            "const {fork} = require('child_process');
             const file = process.env.HOME + '/child.cjs';
             require('fs').writeFileSync(file, 'process.on(\"message\", n => { process.send(n * 7); process.disconnect(); })');
             const child = fork(file); child.send(6);
             return new Promise(yes => child.on('message', yes))",
            "const fs = require('fs'), home = process.env.HOME;
             fs.mkdirSync(home + '/a/b', {recursive: true});
             fs.writeFileSync(home + '/a/b/c', 'content'); fs.renameSync(home + '/a/b/c', home + '/a/d');
             fs.symlinkSync('d', home + '/a/e');
             const seen = fs.readFileSync(home + '/a/e', 'utf8');
             fs.rmSync(home + '/a', {recursive: true}); return seen",
            "const {promisify} = require('util'), zlib = require('zlib');
             const packed = await promisify(zlib.gzip)('content');
             return (await promisify(zlib.gunzip)(packed)).toString()",
            "return crypto.randomUUID().length + require('crypto').createHash('sha256').update('x').digest('hex')",
            "return new Date(0).toLocaleString('de-DE', {timeZone: 'Asia/Tokyo'})",
            "const watcher = require('fs').watch(process.env.HOME); watcher.close()",
            "const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); return new WebAssembly.Instance(module) !== null",
        ],
    );
}

/// Needs to change modes and times, which only a root of its own allows.
#[test]
fn node_copies_files() {
    if tier() == Tier::Base {
        return skip(
            "workloads::node_copies_files",
            "the base tier has this limit (THREAT_MODEL.md)",
        );
    }
    works(
        &fixture("puppet.cjs"),
        &[],
        &["const fs = require('fs'), home = process.env.HOME;
           fs.writeFileSync(home + '/a', 'content'); fs.copyFileSync(home + '/a', home + '/b');
           fs.chmodSync(home + '/b', 0o600); fs.utimesSync(home + '/b', 1, 1);
           return [fs.readFileSync(home + '/b', 'utf8'), fs.statSync(home + '/b').mtimeMs]"],
    );
}

#[test]
fn python() {
    works(
        &fixture("puppet.py"),
        &[],
        &[
            "
            import asyncio
            async def main():
                child = await asyncio.create_subprocess_exec(sys.executable, '-c', 'print(6 * 7)', stdout=asyncio.subprocess.PIPE)
                return (await child.communicate())[0].decode()
            return asyncio.run(main())",
            "return subprocess.run([sys.executable, '-c', 'import sys; print(sys.stdin.read())'], input='x', capture_output=True, text=True).stdout",
            "
            from concurrent.futures import ThreadPoolExecutor
            with ThreadPoolExecutor(4) as pool:
                return sum(pool.map(lambda n: n * n, range(10)))",
            "return socket.getaddrinfo('localhost', 80, socket.AF_INET)[0][4][0]",
            "
            import sqlite3
            with sqlite3.connect(os.environ['HOME'] + '/db') as db:
                db.execute('create table if not exists t (n)'); db.execute('insert into t values (7)')
                return db.execute('select max(n) from t').fetchone()",
            "
            import tempfile
            with tempfile.TemporaryDirectory() as folder:
                open(folder + '/x', 'w').close()
                return os.listdir(folder)",
            "
            import getpass, locale, time, uuid, hashlib, ssl
            return [getpass.getuser() is not None, len(str(uuid.uuid4())), hashlib.sha256(b'x').hexdigest(), ssl.OPENSSL_VERSION]",
        ],
    );
}

/// `git init` changes modes, so the repository is there already.
#[test]
fn python_with_git() {
    if Command::new("git").arg("--version").output().is_err() {
        return skip("workloads::python_with_git", "there is no git");
    }
    let home = Home::new();
    let repository = home.user().join("repository");
    let made = Command::new("git")
        .args(["init", "--quiet"])
        .arg(&repository)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    works_in(
        &home,
        &fixture("puppet.py"),
        &["--exec", "git", "--write", repository.to_str().unwrap()],
        &[&"
            def git(*words):
                words = ['git', '-c', 'user.name=a', '-c', 'user.email=a@b', '-C', 'REPOSITORY', *words]
                return subprocess.run(words, check=True, capture_output=True, text=True).stdout
            with open('REPOSITORY/file', 'a') as file: file.write('content')
            git('add', 'file'); git('commit', '--quiet', '-m', 'next')
            git('branch', '-f', 'other'); git('checkout', '-q', 'other'); git('checkout', '-q', '-')
            git('diff', 'HEAD'); git('stash', 'list')
            return [git('log', '-1', '--format=%s'), git('status', '--short')]"
            .replace("REPOSITORY", repository.to_str().unwrap())],
    );
}

/// Shared memory and semaphores are files in /dev/shm.
#[test]
fn python_processes_share_memory() {
    if tier() == Tier::Base {
        return skip(
            "workloads::python_processes_share_memory",
            "the base tier has no /dev/shm",
        );
    }
    works(
        &fixture("puppet.py"),
        &[],
        &["
            import multiprocessing
            context = multiprocessing.get_context('fork')
            with context.Pool(2) as pool:
                return pool.map(abs, range(-5, 0))"],
    );
}

#[test]
fn a_static_program() {
    let program = match static_program() {
        Ok(program) => program,
        Err(reason) => return skip("workloads::a_static_program", &reason),
    };
    let home = Home::new();
    home.add_path("native", &program, &[]);
    home.set_tier("native", tier());
    let mut client = home.client("native");
    assert_eq!(client.initialize()["serverInfo"]["name"], "native");
    assert_eq!(client.call_text("work", json!({})), "ok: 42");
}
