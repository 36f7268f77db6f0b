// Who may come in: keys, tenants, limits, TLS, origins; and those who come to do harm.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import path from 'node:path'
import test from 'node:test'
import tls from 'node:tls'
import WebSocket from 'ws'
import { freePort, Node, run, tempFolder, until } from './node.mjs'
import { ActorSocket } from './socket.mjs'

async function makeKey(data, ...flags) {
  const x = await run(['keys', 'create', '--data', data, '--json', ...flags])
  assert.equal(x.code, 0, x.stderr)
  return JSON.parse(x.stdout)
}

const bearer = (key) => ({ Authorization: `Bearer ${key.key}` })

/** A certificate for 127.0.0.1 and localhost, its own authority. */
function certificate(folder, name) {
  const [cert, key] = [path.join(folder, `${name}.crt`), path.join(folder, `${name}.key`)]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { stdio: 'ignore' })
  return { cert, key }
}

/** One request over TLS. */
function secure(port, ca, where, { method = 'GET', headers = {}, body, agent } = {}) {
  return new Promise((done, fail) => {
    const x = https.request({ host: '127.0.0.1', port, path: where, method, headers, ca, agent }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (y) => (text += y))
        .on('end', () => done({ status: answer.statusCode, headers: answer.headers, text }))
    })
    x.on('error', fail).end(body)
  })
}

async function dial(port) {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.received = ''
  socket.setEncoding('latin1').on('data', (x) => (socket.received += x))
  socket.gone = new Promise((done) => socket.on('close', done))
  await once(socket, 'connect')
  return socket
}

test('keys: made once, asked for, revoked while the node runs', async (t) => {
  const data = tempFolder(t)
  const key = await makeKey(data, '--tenant', 'acme', '--name', 'bot')
  assert.match(key.key, /^sk-sotto-[0-9a-f]{16}-[0-9a-f]{64}$/)
  const file = fs.readFileSync(path.join(data, 'keys.json'), 'utf8')
  assert.ok(!file.includes(key.key.slice(-64)))
  const node = await Node.start(t, { data })
  for (const [method, where] of [['GET', '/v1/models'], ['POST', '/v1/chat/completions'], ['POST', '/api/chat'],
    ['GET', '/metrics'], ['GET', '/v1/memories?user=a'], ['DELETE', '/v1/users/a'], ['POST', '/v1/embeddings'],
    ['GET', `/v1/models?key=${key.key}`], ['GET', '/nothing']]) {
    const x = await node.call(method, where)
    assert.equal(x.status, 401, where)
    assert.equal(x.body.error.code, 'invalid_api_key')
    assert.match(x.headers.get('www-authenticate'), /^Bearer/)
  }
  for (const where of ['/livez', '/readyz', '/']) assert.equal((await node.get(where)).status, 200)
  assert.equal((await node.call('GET', '/v1/models', undefined, bearer(key))).status, 200)
  await node.say('ada', 'Hello!', {}, bearer(key))

  const socket = await ActorSocket.open(t, node, 'json', { headers: bearer(key) })
  assert.equal((await socket.call('say', { user: 'ada', text: 'Hi!' })).type, 'reply')
  const browser = new WebSocket(`${node.url.replace('http', 'ws')}/v1/actors`, ['sotto.json.v1', `sotto.key.${key.key}`])
  t.after(() => browser.terminate())
  await once(browser, 'open')
  assert.equal(browser.protocol, 'sotto.json.v1')

  const list = await run(['keys', 'list', '--data', data])
  assert.match(list.stdout, new RegExp(`${key.id} +active +acme.*bot`))
  assert.equal((await run(['keys', 'revoke', key.id, '--data', data])).code, 0)
  assert.deepEqual(await socket.closed, { code: 1008, reason: 'the API key is no longer valid' })
  await until('the key is refused', async () => (await node.call('GET', '/v1/models', undefined, bearer(key))).status === 401)
  // The last key was revoked: that opens nothing.
  assert.equal((await node.call('GET', '/v1/models')).status, 401)
  const next = await makeKey(data, '--tenant', 'acme')
  await until('the new key is known', async () => (await node.call('GET', '/v1/models', undefined, bearer(next))).status === 200)

  fs.writeFileSync(path.join(data, 'keys.json'), '{"keys": [')
  await until('the damage is told', () => /keys stay as they were/.test(node.stderr))
  assert.equal((await node.call('GET', '/v1/models', undefined, bearer(next))).status, 200)
  await node.stop()
  const again = await run(['node', '--data', data, '--listen', '127.0.0.1:0'])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /keys\.json is damaged/)
  assert.equal((await run(['keys', 'revoke', 'nobody', '--data', data])).code, 1)
  assert.equal((await run(['keys', 'create', '--data', data])).code, 2)
})

test('a node without keys serves its own machine only', async (t) => {
  const data = tempFolder(t)
  const refused = await run(['node', '--data', data, '--listen', '0.0.0.0:0'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /sotto keys create/)
  const node = await Node.start(t, { data, set: ['gateway.cors_origins=https://app.example'] })
  assert.equal((await node.call('GET', '/metrics')).status, 200)
  const evil = { Origin: 'https://evil.example' }
  assert.equal((await node.call('GET', '/v1/memories?user=a', undefined, evil)).status, 403)
  const page = new WebSocket(`${node.url.replace('http', 'ws')}/v1/actors`, 'sotto.json.v1', { origin: evil.Origin })
  page.on('error', () => {})
  const [, answer] = await once(page, 'unexpected-response')
  assert.equal(answer.statusCode, 403)

  const app = { Origin: 'https://app.example' }
  const listed = await node.call('GET', '/v1/models', undefined, app)
  assert.equal(listed.status, 200)
  assert.equal(listed.headers.get('access-control-allow-origin'), app.Origin)
  assert.equal(listed.headers.get('vary'), 'Origin')
  assert.equal(listed.headers.get('access-control-allow-credentials'), null)
  const flight = await node.call('OPTIONS', '/v1/chat/completions', undefined,
    { ...app, 'Access-Control-Request-Method': 'POST' })
  assert.equal(flight.status, 204)
  assert.match(flight.headers.get('access-control-allow-methods'), /POST/)
  assert.equal((await node.call('OPTIONS', '/v1/chat/completions', undefined,
    { ...evil, 'Access-Control-Request-Method': 'POST' })).status, 403)

  // Keys that come while it runs close the door behind those who are in.
  const socket = await ActorSocket.open(t, node, 'msgpack')
  await makeKey(data, '--tenant', 'acme')
  assert.equal((await socket.closed).code, 1008)
  assert.equal((await node.call('GET', '/v1/models')).status, 401)
})

test('tenants with the same user names see only their own, on every surface', async (t) => {
  const data = tempFolder(t)
  const [acme, beta, ops] = [await makeKey(data, '--tenant', 'acme'), await makeKey(data, '--tenant', 'beta'),
    await makeKey(data, '--tenant', 'ops', '--admin')]
  const node = await Node.start(t, { data })
  const [a, b, admin] = [acme, beta, ops].map(bearer)
  const list = async (as, user = 'ada') =>
    (await node.call('GET', `/v1/memories?user=${user}`, undefined, as)).body.results.map((x) => x.text)

  assert.equal((await node.call('POST', '/v1/memories', { user: 'ada', id: 'm1', text: 'My cat is called Tux.' }, a)).status, 200)
  await node.say('ada', 'My dog is called Rex.', {}, a)
  await node.call('POST', '/api/chat', { user_id: 'ada', message: 'My bird is called Kim.' }, a)
  const sa = await ActorSocket.open(t, node, 'json', { headers: a }), sb = await ActorSocket.open(t, node, 'json', { headers: b })
  await sa.call('remember', { user: 'ada', text: 'My fish is called Flo.' })
  const own = await list(a)
  for (const name of ['Tux', 'Rex', 'Kim', 'Flo']) assert.ok(own.some((x) => x.includes(name)), name)

  assert.deepEqual(await list(b), [])
  const query = { user: 'ada', query: 'What are my pets called?' }
  assert.deepEqual((await node.call('POST', '/v1/memories/search', query, b)).body.results, [])
  assert.deepEqual((await sb.call('recall', query)).body.results, [])
  for (const talk of [await node.say('ada', 'What is my cat called?', {}, b), (await sb.call('say', { user: 'ada', text: 'My cat?' })).body,
    (await node.call('POST', '/api/chat', { user_id: 'ada', message: 'My dog?' }, b)).body])
    assert.doesNotMatch(JSON.stringify(talk), /Tux|Rex|Kim|Flo/)
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  await node.say('ada', 'Hello.', {}, { ...a, traceparent: `00-${trace}-00f067aa0ba902b7-01` })
  await until('the turn is in its trace', async () =>
    (await node.call('GET', `/v1/traces/${trace}`, undefined, a)).status === 200)
  assert.equal((await node.call('GET', `/v1/traces/${trace}`, undefined, b)).status, 404)
  // The same idempotency key in the same conversation is another turn.
  const once = { 'Idempotency-Key': 'k1', 'Sotto-Conversation': 'c' }
  await node.say('ada', 'A secret of acme.', {}, { ...a, ...once })
  const other = await node.call('POST', '/v1/chat/completions',
    { user: 'ada', messages: [{ role: 'user', content: 'Something of beta.' }] }, { ...b, ...once })
  assert.equal(other.status, 200)
  assert.doesNotMatch(JSON.stringify(other.body), /secret of acme/)
  // The same id is free, and removing reaches no further than the tenant.
  assert.equal((await node.call('DELETE', '/v1/memories/m1?user=ada', undefined, b)).status, 404)
  assert.deepEqual((await sb.call('forget', { user: 'ada', id: 'm1' })).body, { id: 'm1', deleted: false })
  assert.equal((await node.call('DELETE', '/v1/users/ada', undefined, b)).status, 200)
  await sb.call('forget', { user: 'ada' })
  assert.ok((await list(a)).some((x) => x.includes('Tux')))

  // Another tenant is an admin's to act for.
  for (const as of [b, a]) assert.equal((await node.call('GET', '/metrics', undefined, as)).status, 403)
  assert.equal((await node.call('DELETE', '/v1/users/ada', undefined, { ...b, 'Sotto-Tenant': 'acme' })).status, 403)
  assert.equal((await node.call('GET', '/metrics', undefined, admin)).status, 200)
  assert.equal((await node.call('DELETE', '/v1/users/ada', undefined, { ...admin, 'Sotto-Tenant': 'acme' })).status, 200)
  assert.deepEqual(await list(a), [])
})

test('a key has a rate and a ceiling', async (t) => {
  const data = tempFolder(t)
  const slow = await makeKey(data, '--tenant', 'acme', '--rate', '0.1', '--burst', '3')
  const low = await makeKey(data, '--tenant', 'beta', '--priority-ceiling', 'low')
  const node = await Node.start(t, { data })
  const first = await node.call('GET', '/v1/models', undefined, bearer(slow))
  assert.equal(first.headers.get('x-ratelimit-limit-requests'), '3')
  assert.equal(first.headers.get('x-ratelimit-remaining-requests'), '2')
  const socket = await ActorSocket.open(t, node, 'json', { headers: bearer(slow) })
  assert.equal((await socket.call('emotion', { text: 'hi' })).type, 'reply')
  assert.equal((await socket.call('emotion', { text: 'hi' })).body.code, 'overloaded')
  const over = await node.call('POST', '/v1/emotions', { input: 'hi' }, bearer(slow))
  assert.equal(over.status, 429)
  assert.equal(over.body.error.code, 'rate_limit_exceeded')
  assert.ok(Number(over.headers.get('retry-after')) >= 1 && Number(over.headers.get('retry-after')) <= 10)
  assert.equal(over.headers.get('x-ratelimit-remaining-requests'), '0')

  const capped = await node.call('POST', '/v1/emotions', { input: 'hi' }, { ...bearer(low), 'Sotto-Priority': 'critical' })
  assert.equal(capped.status, 200)
  assert.equal(capped.headers.get('sotto-priority'), 'low')
  const own = await node.call('POST', '/v1/emotions', { input: 'hi' }, { ...bearer(low), 'Sotto-Priority': 'background' })
  assert.equal(own.headers.get('sotto-priority'), null)
  const other = await ActorSocket.open(t, node, 'json', { headers: bearer(low) })
  assert.equal((await other.call('say', { text: 'hi' }, { priority: 'critical' })).body.priority, 'low')
  assert.equal((await other.call('say', { text: 'hi' }, { priority: 'low' })).body.priority, undefined)
})

test('strangers are answered before their bodies are read', async (t) => {
  const data = tempFolder(t)
  await makeKey(data, '--tenant', 'acme')
  const node = await Node.start(t, { data })
  const socket = await dial(node.port)
  socket.write('POST /v1/memories HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n')
  await until('the answer is there', () => socket.received.startsWith('HTTP/1.1 401 '))
  await socket.gone
  // Small ones are read, so that the connection goes on.
  const kept = await dial(node.port)
  for (let i = 0; i < 2; ++i) kept.write('POST /v1/memories HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{ }')
  await until('both are answered', () => (kept.received.match(/HTTP\/1\.1 401 /g) ?? []).length === 2)
  kept.destroy()
})

test('TLS: HTTP, streams, WebSockets, the command line; a new certificate without a restart', async (t) => {
  const data = tempFolder(t), folder = tempFolder(t), port = await freePort()
  const first = certificate(folder, 'first'), second = certificate(folder, 'second')
  const [cert, key] = [path.join(folder, 'node.crt'), path.join(folder, 'node.key')]
  fs.copyFileSync(first.cert, cert)
  fs.copyFileSync(first.key, key)
  const api = await makeKey(data, '--tenant', 'acme')
  const node = await Node.start(t, { data, listen: port, plain: false,
    set: [`gateway.tls_certificate=${cert}`, `gateway.tls_key=${key}`, 'gateway.tls_handshake_timeout=1s'] })
  const ca = fs.readFileSync(first.cert), newer = fs.readFileSync(second.cert)
  await until('it is ready', () => secure(port, ca, '/readyz').then((x) => x.status === 200, () => false))

  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const say = (stream, n) => secure(port, ca, '/v1/chat/completions', { method: 'POST', agent,
    headers: { ...bearer(api), 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: 'ada', stream, messages: [{ role: 'user', content: `Line ${n}. ${'x'.repeat(20_000)}` }] }) })
  for (let i = 0; i < 5; ++i) {
    const x = await say(i % 2 === 1, i)
    assert.equal(x.status, 200, x.text)
    if (i % 2 === 1) assert.match(x.text, /data: \[DONE\]/)
  }
  const ws = new WebSocket(`wss://127.0.0.1:${port}/v1/actors`, 'sotto.json.v1', { ca, headers: bearer(api) })
  t.after(() => ws.terminate())
  await once(ws, 'open')
  ws.send(JSON.stringify({ id: 1, type: 'say', body: { user: 'ada', text: 'y'.repeat(30_000) } }))
  const [frame] = await once(ws, 'message')
  assert.equal(JSON.parse(frame).type, 'reply')
  ws.close(1000)
  assert.equal((await once(ws, 'close'))[0], 1000)

  const cli = await run(['memory', 'list', '--url', `https://localhost:${port}`, '--ca', first.cert, '--user', 'ada'],
    { env: { SOTTO_API_KEY: api.key } })
  assert.equal(cli.code, 0, cli.stderr)
  assert.match(cli.stdout, /Line 0/)
  const untrusted = await run(['memory', 'list', '--url', `https://localhost:${port}`, '--user', 'ada', '--key', api.key])
  assert.equal(untrusted.code, 1)
  assert.match(untrusted.stderr, /--ca/)

  const hello = (options) => new Promise((done) => {
    const x = tls.connect({ port, host: '127.0.0.1', ca, ...options }, () => {
      done({ protocol: x.getProtocol(), alpn: x.alpnProtocol })
      x.destroy()
    }).on('error', (e) => done({ error: e.code }))
  })
  assert.deepEqual(await hello({ ALPNProtocols: ['h2', 'http/1.1'] }), { protocol: 'TLSv1.3', alpn: 'http/1.1' })
  assert.equal((await hello({ maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2')
  assert.ok((await hello({ ALPNProtocols: ['h2'] })).error)
  assert.ok((await hello({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })).error)
  await (await dial(port)).gone // says nothing, and is cut by the handshake's time

  // The certificate changes; connections that are open go on.
  fs.copyFileSync(second.key, key)
  fs.copyFileSync(second.cert, cert)
  await until('the new one is used', () => secure(port, newer, '/livez').then((x) => x.status === 200, () => false))
  assert.equal((await say(false, 9)).status, 200)
  fs.writeFileSync(cert, 'no certificate')
  await until('the damage is told', () => /certificate stays as it was/.test(node.stderr))
  assert.equal((await secure(port, newer, '/livez')).status, 200)
  await node.stop()

  const refuse = async (set, said) => {
    const x = await run(['node', '--data', data, '--listen', '127.0.0.1:0', ...set.flatMap((y) => ['--set', y])])
    assert.equal(x.code, 1)
    assert.match(x.stderr, said)
  }
  await refuse([`gateway.tls_certificate=${first.cert}`], /both or neither/)
  await refuse([`gateway.tls_certificate=${first.cert}`, `gateway.tls_key=${second.key}`], /not the key of the certificate/)
  await refuse([`gateway.tls_certificate=${folder}/none`, `gateway.tls_key=${first.key}`], /tls_certificate.*none/)
  await refuse([`gateway.tls_certificate=${first.cert}`, `gateway.tls_key=${first.cert}`], /no private key/)
})

test('a client that hangs up over TLS cancels its turn', async (t) => {
  const folder = tempFolder(t), port = await freePort()
  const { cert, key } = certificate(folder, 'node')
  const upstream = net.createServer((x) => x.on('error', () => {})).listen(0, '127.0.0.1')
  let calls = 0, gone = 0
  upstream.on('connection', (x) => { ++calls; x.resume(); x.on('close', () => ++gone) })
  t.after(() => upstream.close())
  await once(upstream, 'listening')
  await Node.start(t, { listen: port, plain: false,
    set: [`gateway.tls_certificate=${cert}`, `gateway.tls_key=${key}`],
    config: `[[llm.deployments]]\nname = "silent"\nbase_url = "http://127.0.0.1:${upstream.address().port}/v1"\nmodel = "m"\n` })
  const ca = fs.readFileSync(cert)
  await until('it is ready', () => secure(port, ca, '/readyz').then((x) => x.status === 200, () => false))
  const socket = tls.connect({ port, host: '127.0.0.1', ca })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  const body = JSON.stringify({ user: 'ada', messages: [{ role: 'user', content: 'Hello?' }] })
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await until('the provider is asked', () => calls === 1)
  socket.end() // with close_notify
  await until('the provider is let go', () => gone === 1)
})

test('silent sockets do not keep others out', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_connections=50', 'gateway.header_timeout=60s'] })
  const silent = []
  for (let i = 0; i < 200; ++i) silent.push(await dial(node.port))
  for (let i = 0; i < 20; ++i) {
    assert.equal((await node.call('GET', '/livez', undefined, { Connection: 'close' })).status, 200)
    silent.push(await dial(node.port))
  }
  await until('the oldest were closed', () => silent.filter((x) => x.destroyed).length >= 150)
  assert.ok(silent.slice(0, 100).every((x) => x.destroyed), 'the oldest go first')
  const metrics = await (await node.get('/metrics')).text()
  assert.ok(Number(/^sotto_sockets (\d+)/m.exec(metrics)[1]) <= 51)
  // A socket at work is never closed for a new one.
  const socket = await ActorSocket.open(t, node, 'json')
  for (let i = 0; i < 100; ++i) silent.push(await dial(node.port))
  assert.equal((await socket.call('emotion', { text: 'hi' })).type, 'reply')
  silent.forEach((x) => x.destroy())
})

test('ten thousand sockets that say nothing cost little, and others are served', async (t) => {
  const descriptors = Number(/Max open files +\d+ +(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1])
  const count = 10_000
  if (descriptors < count + 500) return t.skip(`ulimit -Hn is ${descriptors}`)
  const node = await Node.start(t, { set: [`gateway.max_connections=${count + 100}`, 'gateway.header_timeout=10m'] })
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${node.child.pid}/status`, 'utf8'))[1]) * 1024
  await node.say('ada', 'hello')
  const before = resident()
  const sockets = []
  t.after(() => sockets.forEach((x) => x.destroy()))
  let closed = 0
  for (let i = 0; i < count; i += 100)
    sockets.push(...await Promise.all(Array.from({ length: 100 }, async () => {
      const x = net.connect(node.port, '127.0.0.1')
      x.on('error', () => {}).on('close', () => ++closed)
      await once(x, 'connect')
      return x
    })))
  const open = async () => Number(/^sotto_sockets (\d+)/m.exec(await (await node.get('/metrics')).text())[1])
  await until('all are taken in', async () => (await open()) >= count)
  assert.equal(closed, 0)
  const each = (resident() - before) / count
  t.diagnostic(`${Math.round(each)} bytes a silent socket`)
  assert.ok(each < 16_384, `${each} bytes a socket`)
  for (let i = 0; i < 20; ++i) await node.say('ada', `line ${i}`)
  const socket = await ActorSocket.open(t, node, 'json')
  assert.equal((await socket.call('emotion', { text: 'hi' })).type, 'reply')
  sockets.forEach((x) => x.destroy())
  await until('all are let go', async () => (await open()) < 100)
})

test('one address has no more than its share of connections', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_connections_per_address=5'] })
  const many = await Promise.all(Array.from({ length: 30 }, () => dial(node.port)))
  await until('the rest were closed', () => many.filter((x) => x.destroyed).length >= 25)
  many.forEach((x) => x.destroy())
  await until('there is room again', () => node.get('/livez').then((x) => x.ok, () => false))
})

test('a frame that is too large is told as 1009, also to who is still sending', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_frame=64KiB'] })
  for (const size of [65_537, 1 << 20, 32 << 20]) {
    for (let i = 0; i < 5; ++i) {
      const socket = await ActorSocket.open(t, node, 'json')
      socket.raw(Buffer.alloc(size, 'x').toString())
      assert.equal((await socket.closed).code, 1009, `${size} bytes`)
    }
  }
})

test('a million conversations of one key cost what is live, and a flood of unknown keys nothing', async (t) => {
  const data = tempFolder(t)
  const key = await makeKey(data, '--tenant', 'acme')
  const node = await Node.start(t, { data, set: ['session.idle_timeout=1s', 'node.partitions=4'] })
  const admin = bearer(await makeKey(data, '--tenant', 'ops', '--admin'))
  await until('the admin key is known', async () => (await node.get('/metrics', { headers: admin })).ok)
  const actors = async () => Number(/^sotto_actors (\d+)/m.exec(
    await (await node.get('/metrics', { headers: admin })).text())[1])
  const before = await actors()
  // Small numbers here; what bounds them is the same: conversations leave memory when they are idle.
  for (let i = 0; i < 300; i += 30)
    await Promise.all(Array.from({ length: 30 }, (_, j) => node.say(`user-${i + j}`, 'Hello!', {}, bearer(key))))
  await until('the sessions have left', async () => (await actors()) < before + 60, 30_000)
  const unknown = (i) => `sk-sotto-${i.toString(16).padStart(16, '0')}-${'0'.repeat(64)}`
  for (let i = 0; i < 500; i += 50)
    for (const x of await Promise.all(Array.from({ length: 50 }, (_, j) =>
      node.call('GET', '/v1/models', undefined, { Authorization: `Bearer ${unknown(i + j)}` }))))
      assert.equal(x.status, 401)
  assert.match(await (await node.get('/metrics', { headers: admin })).text(), /sotto_access_refused_total\{reason="key"\} 5\d\d/)
})
