#!/usr/bin/env node
// A small MCP server whose one tool, `work`, does what servers in JavaScript do: files, children,
// threads, sockets, timers. It is watched while it does.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const child = require('node:child_process');
const crypto = require('node:crypto');
const dns = require('node:dns');
const net = require('node:net');
const zlib = require('node:zlib');
const { Worker } = require('node:worker_threads');

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    // What is refused in the box, or not there in this runtime, is not what is watched.
  }
}

function threads() {
  return new Promise((resolve, reject) => {
    const code = "require('node:worker_threads').parentPort.postMessage(1)";
    const worker = new Worker(code, { eval: true });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

async function work() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'busy-'));
  const file = path.join(folder, 'file');
  await attempt(() => fs.writeFileSync(file, 'x'.repeat(1 << 16)));
  await attempt(() => fs.appendFileSync(file, 'y'));
  await attempt(() => fs.copyFileSync(file, file + '2'));
  await attempt(() => fs.renameSync(file + '2', file + '3'));
  await attempt(() => fs.symlinkSync(file, file + '4'));
  await attempt(() => fs.linkSync(file, file + '5'));
  await attempt(() => fs.truncateSync(file, 10));
  await attempt(() => fs.utimesSync(file, 1, 1));
  await attempt(() => fs.chmodSync(file, 0o600));
  await attempt(() => fs.chownSync(file, os.userInfo().uid, os.userInfo().gid));
  await attempt(() => fs.realpathSync(file + '4'));
  await attempt(() => fs.accessSync(file));
  await attempt(() => fs.statfsSync(folder));
  await attempt(() => fs.opendirSync(folder).closeSync());
  await attempt(() => fs.readdirSync(folder, { recursive: true }));
  await attempt(() => fs.promises.cp(file, file + '6', { preserveTimestamps: true }));
  await attempt(async () => {
    const handle = await fs.promises.open(file, 'r+');
    await handle.writev([Buffer.from('a'), Buffer.from('b')]);
    await handle.readv([Buffer.alloc(1), Buffer.alloc(1)]);
    await handle.sync();
    await handle.datasync();
    await handle.close();
  });
  await attempt(async () => {
    const watcher = fs.watch(folder);
    fs.writeFileSync(path.join(folder, 'watched'), '');
    await new Promise((resolve) => setTimeout(resolve, 50));
    watcher.close();
  });
  await attempt(() => { os.cpus(); os.networkInterfaces(); os.loadavg(); os.freemem(); os.uptime(); os.hostname(); });
  await attempt(() => os.setPriority(0, os.getPriority()));
  await attempt(() => { process.memoryUsage(); process.resourceUsage(); process.cpuUsage(); process.umask(); process.title = 'busy'; });
  await attempt(() => child.execFileSync('git', ['--version']));
  await attempt(() => child.execSync('echo hello'));
  await attempt(() => new Promise((resolve, reject) => {
    const one = child.fork(__filename, ['--child'], { serialization: 'advanced' });
    one.on('message', () => one.disconnect());
    one.on('exit', resolve);
    one.on('error', reject);
  }));
  await attempt(() => new Promise((resolve) => {
    const one = child.spawn('sh', ['-c', 'sleep 5']);
    one.on('exit', resolve);
    one.on('error', resolve);
    one.kill();
  }));
  await attempt(threads);
  await attempt(() => zlib.gzipSync(Buffer.alloc(1 << 16)));
  await attempt(() => new Promise((resolve) => crypto.pbkdf2('a', 'b', 10, 10, 'sha256', resolve)));
  await attempt(() => dns.promises.lookup('localhost'));
  await attempt(() => dns.promises.resolve4('localhost'));
  await attempt(() => new Promise((resolve) => {
    const socket = net.connect(443, '127.0.0.1', resolve);
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    socket.on('error', resolve);
  }));
  await attempt(() => fetch('http://127.0.0.1:80/'));
  await attempt(() => fs.rmSync(folder, { recursive: true, force: true }));
  return 'done';
}

function answer(id, result) {
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\n');
}

async function received(line) {
  const message = JSON.parse(line);
  if (message.method === 'initialize') {
    answer(message.id, { protocolVersion: message.params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'busy', version: '1' } });
  } else if (message.method === 'tools/list') {
    answer(message.id, { tools: [{ name: 'work', inputSchema: { type: 'object' } }] });
  } else if (message.method === 'tools/call') {
    answer(message.id, { content: [{ type: 'text', text: await work() }] });
  }
}

if (process.argv.includes('--child')) {
  process.send('here');
} else {
  require('node:readline').createInterface({ input: process.stdin }).on('line', received).on('close', () => process.exit(0));
}
