//! The ways in which clients find a host and speak to it. None of them is told of a proxy.

/// A way: its name, its code, and the port that it asks.
pub(super) type Way = (&'static str, &'static str);

/// Bodies of Python functions; what comes back is the answer of the host.
pub(super) const PYTHON: &[Way] = &[
    (
        "urllib",
        "
        import ssl, urllib.request
        context = ssl.create_default_context(cafile=ca)
        return urllib.request.urlopen('https://%s:%d/' % (host, port), context=context, timeout=30).read().decode()",
    ),
    (
        "urllib without TLS",
        "
        import urllib.request
        return urllib.request.urlopen('http://%s:%d/' % (host, port), timeout=30).read().decode()",
    ),
    (
        "http.client",
        "
        import http.client, ssl
        one = http.client.HTTPSConnection(host, port, context=ssl.create_default_context(cafile=ca), timeout=30)
        one.request('POST', '/', body=b'x' * 100000)
        answer = one.getresponse().read().decode()
        if '\"body\": 100000' not in answer: raise OSError(errno.EIO, answer)
        return answer",
    ),
    (
        "asyncio",
        "
        import asyncio, ssl
        async def main():
            reader, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context(cafile=ca))
            writer.write(b'GET / HTTP/1.0\\r\\n\\r\\n')
            return (await reader.read()).decode()
        return asyncio.run(main())",
    ),
    (
        "the first of the addresses",
        "
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as one:
            one.settimeout(30); one.connect(address)
            one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
            return one.makefile().read()",
    ),
    (
        "only configured families",
        "
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)[0]
        with socket.socket(family, kind, protocol) as one:
            one.settimeout(30); one.connect(address)
            one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
            return one.makefile().read()",
    ),
    (
        "half-closed",
        "
        one = socket.create_connection((host, port), 30)
        one.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); one.shutdown(socket.SHUT_WR)
        answer = one.makefile().read()
        if not answer: raise OSError(errno.EIO, 'nothing came')
        return answer",
    ),
];

/// Needs `exec = ["curl"]`.
pub(super) const CURL: Way = (
    "curl",
    "return subprocess.run(['curl', '-sS', '--max-time', '30', '--cacert', ca, 'https://%s:%d/' % (host, port)], check=True, capture_output=True, text=True).stdout",
);

/// Needs `exec = ["HOME/static"]`, see `fixtures/static.c`.
pub(super) const STATIC: Way = (
    "a static program",
    "return subprocess.run([user + '/static', host, str(port), ca], check=True, capture_output=True, text=True).stdout",
);

/// Bodies of asynchronous JavaScript functions, in which `ARGUMENTS` is an object.
pub(super) const NODE: &[Way] = &[
    (
        "fetch",
        "const {host, port} = ARGUMENTS;
         return (await fetch(`https://${host}:${port}/`)).text()",
    ),
    (
        "fetch of much",
        "const {host, port} = ARGUMENTS;
         const body = new Uint8Array(await (await fetch(`https://${host}:${port}/bulk/3000000`)).arrayBuffer());
         if (body.length !== 3000000) throw new Error(body.length); return body.length",
    ),
    (
        "https",
        "const {host, port} = ARGUMENTS;
         return new Promise((yes, no) => require('https').get({host, port}, answer => {
             let text = ''; answer.on('data', data => text += data).on('end', () => yes(text));
         }).on('error', no))",
    ),
    (
        "http",
        "const {host, port} = ARGUMENTS;
         return new Promise((yes, no) => require('http').get({host, port}, answer => {
             let text = ''; answer.on('data', data => text += data).on('end', () => yes(text));
         }).on('error', no))",
    ),
    (
        "an upgrade to another protocol",
        "const {host, port} = ARGUMENTS;
         const headers = {Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA=='};
         return new Promise((yes, no) => require('https').get({host, port, headers}).on('error', no).on('upgrade', (answer, socket) => {
             socket.on('data', data => { socket.destroy(); yes(data.toString('latin1')) });
             socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
         }))",
    ),
    (
        "c-ares",
        "const {host, port} = ARGUMENTS;
         const [address] = await require('dns').promises.resolve4(host);
         return new Promise((yes, no) => require('http').get({host: address, port}, answer => {
             let text = ''; answer.on('data', data => text += data).on('end', () => yes(text));
         }).on('error', no))",
    ),
];

/// Packages from npm that speak to the network, and a way for each; they lie in `user/node_modules`.
pub(super) const PACKAGES: &[(&str, Way)] = &[
    (
        "undici@6.21.0",
        (
            "undici",
            "const {host, port, user} = ARGUMENTS;
             const {request} = require(user + '/node_modules/undici');
             return (await request(`https://${host}:${port}/`)).body.text()",
        ),
    ),
    (
        "ws@8.18.0",
        (
            "ws",
            "const {host, port, user} = ARGUMENTS;
             const socket = new (require(user + '/node_modules/ws'))(`wss://${host}:${port}/`);
             return new Promise((yes, no) => socket.on('error', no)
                 .on('open', () => socket.send('hello')).on('message', data => { socket.close(); yes(data.toString()) }))",
        ),
    ),
];
