// Bad input: a clear error or a closed socket, a bounded cost, and the others are served meanwhile.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import test from 'node:test'
import { Node, pause, until } from './node.mjs'

/** Random numbers from a seed, so that a failure can be repeated (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

async function dial(node) {
  const socket = net.connect(node.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.received = ''
  socket.setEncoding('latin1').on('data', (x) => (socket.received += x))
  socket.gone = new Promise((done) => socket.on('close', done))
  await once(socket, 'connect')
  return socket
}

/** Sends bytes, then waits for the node to close; returns what it said. */
async function shout(node, bytes) {
  const socket = await dial(node)
  socket.write(bytes)
  socket.end()
  await socket.gone
  return socket.received
}

const resident = (node) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${node.child.pid}/status`, 'utf8'))[1]) * 1024

test('a node withstands bad input', async (t) => {
  const node = await Node.start(t, { set: ['gateway.header_timeout=1s', 'gateway.body_timeout=2s',
    'gateway.max_body=1MiB', 'gateway.max_connections=400'] })
  await node.say('ada', 'Hello!')

  // Somebody well-behaved talks all the while.
  let over = false, served = 0
  const calm = (async () => {
    for (; !over; ++served) await node.say('calm', `Line ${served}.`)
  })()

  await t.test('random bytes', async () => {
    const random = seeded(20261123)
    const starts = ['', 'GET ', 'POST /v1/chat/completions HTTP/1.1\r\n', 'GET / HTTP/1.1\r\nHost: x\r\n',
      'POST /v1/memories HTTP/1.1\r\nContent-Length: 50\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'GET /v1/actors HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n']
    for (let i = 0; i < 300; ++i) {
      const junk = Buffer.from(Array.from({ length: Math.floor(random() * 300) }, () => random() * 256))
      const said = await shout(node, Buffer.concat([Buffer.from(starts[i % starts.length]), junk]))
      assert.ok(said === '' || /^HTTP\/1\.1 [245]\d\d /.test(said), said.slice(0, 100))
    }
  })

  await t.test('malformed heads get 400 in the usual shape', async () => {
    for (const head of ['HELLO\r\n\r\n', 'GET / HTTP/1.1\r\nbroken header\r\n\r\n',
      'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n',
      'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n']) {
      const said = await shout(node, head)
      assert.match(said, /^HTTP\/1\.1 400 /, head)
      assert.match(said, /"error":\{/)
    }
  })

  await t.test('a head over the limit is 431, a body over the limit 413', async () => {
    assert.match(await shout(node, `GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
    assert.match(await shout(node, 'POST /v1/memories HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n'),
      /^HTTP\/1\.1 413 /)
    const socket = await dial(node)
    socket.write('POST /v1/memories HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let i = 0; i < 40 && !socket.destroyed && socket.received === ''; ++i) {
      socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`)
      await pause(1)
    }
    await until('the node refused the body', () => socket.destroyed || socket.received !== '')
    assert.ok(socket.received === '' || socket.received.startsWith('HTTP/1.1 413'), socket.received.slice(0, 80))
    socket.destroy()
  })

  await t.test('random JSON in place of requests', async () => {
    const random = seeded(7)
    const value = (depth) => {
      const kind = Math.floor(random() * (depth > 3 ? 5 : 7))
      return [() => null, () => random() < 0.5, () => Math.floor((random() - 0.5) * 1e6), () => random() * 1e300,
        () => '\u0000ü\ud83d'.repeat(random() * 4), () => Array.from({ length: random() * 4 }, () => value(depth + 1)),
        () => Object.fromEntries(['model', 'messages', 'user', 'text', 'role', 'content', 'input', 'message']
          .filter(() => random() < 0.4).map((key) => [key, value(depth + 1)]))][kind]()
    }
    const paths = ['/v1/chat/completions', '/v1/memories', '/v1/memories/search', '/v1/embeddings', '/v1/emotions',
      '/api/chat', '/api/chat/batch']
    for (let i = 0; i < 350; ++i) {
      const x = await node.call('POST', paths[i % paths.length], JSON.stringify(value(0)))
      assert.ok(x.status >= 200 && x.status < 500, `${paths[i % paths.length]}: ${x.status} ${JSON.stringify(x.body)}`)
    }
  })

  await t.test('clients that send nothing, or slowly, are cut', async () => {
    const silent = await Promise.all(Array.from({ length: 50 }, () => dial(node)))
    const slow = await dial(node)
    slow.write('POST /v1/memories HTTP/1.1\r\nContent-Length: 1000\r\n\r\n')
    const drip = setInterval(() => slow.write('x'), 100)
    const head = await dial(node)
    const dripHead = setInterval(() => head.write('X'), 100)
    await Promise.all(silent.map((x) => x.gone))
    await Promise.all([slow.gone, head.gone])
    clearInterval(drip)
    clearInterval(dripHead)
  })

  await t.test('clients that never read do not hold the node', async () => {
    const deaf = await Promise.all(Array.from({ length: 10 }, () => dial(node)))
    const body = JSON.stringify({ input: Array(500).fill('some words to embed here') })
    for (const socket of deaf) {
      socket.pause()
      for (let i = 0; i < 5; ++i)
        socket.write(`POST /v1/embeddings HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    }
    await node.say('ada', 'Are you there?')
    deaf.forEach((x) => x.destroy())
  })

  await t.test('connections over the limit are closed, and room comes back', async () => {
    const many = await Promise.all(Array.from({ length: 450 }, () => dial(node)))
    await until('some are closed', () => many.some((x) => x.destroyed || x.readableEnded))
    many.forEach((x) => x.destroy())
    await until('there is room again', () =>
      node.call('GET', '/livez').then((x) => x.status === 200, () => false))
  })

  await t.test('the cost stays bounded', async () => {
    const before = resident(node)
    for (let round = 0; round < 20; ++round)
      await node.call('POST', '/v1/chat/completions', 'x'.repeat(1_000_000))
    assert.ok(resident(node) - before < 200e6, `${before} to ${resident(node)} bytes`)
  })

  over = true
  await calm.catch((x) => { // one talk may meet the full house above
    if (!/fetch failed/.test(String(x))) throw x
  })
  assert.ok(served > 20, `only ${served} turns were served meanwhile`)
  assert.match((await node.say('ada', 'Goodbye!')).choices[0].message.content, /\w/)
  await node.stop()
})

test('pipelined requests are answered in order', async (t) => {
  const node = await Node.start(t)
  const body = (i) => JSON.stringify({ input: `text ${i}`, model: i === 5 ? 'unknown' : 'sotto-sif-100d' })
  const socket = await dial(node)
  for (let i = 0; i < 10; ++i)
    socket.write(`POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: ${body(i).length}\r\n` +
      `${i === 9 ? 'Connection: close\r\n' : ''}\r\n${body(i)}`)
  await socket.gone
  const statuses = [...socket.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((x) => Number(x[1]))
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 404, 200, 200, 200, 200])
})
