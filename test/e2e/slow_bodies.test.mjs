// Large bodies and messages that come slowly, from many at the same time, and large answers that are
// not read: what the node holds of them is bounded, and whoever sends little is served meanwhile.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import test from 'node:test'
import { WebSocket } from 'ws'
import { Node, pause, until } from './node.mjs'

const size = 1_000_000, many = 150
// The node has room for 64 MiB here; each of these is most of its limit and does not end.
const room = 64 << 20

const resident = (node) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${node.child.pid}/status`, 'utf8'))[1]) * 1024

const start = (t) => Node.start(t, { set: ['gateway.max_body=1MiB', 'gateway.body_timeout=2m'] })

async function dial(node, head) {
  const socket = net.connect(node.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.received = ''
  socket.setEncoding('latin1').on('data', (x) => (socket.received += x))
  await once(socket, 'connect')
  socket.write(head)
  return socket
}

const memory = (user, words) => JSON.stringify({ user, text: 'word '.repeat(words) })

for (const [name, head, refused] of [
  ['bodies', `POST /v1/memories HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`, /^HTTP\/1\.1 429 /],
  ['chunked bodies', 'POST /v1/memories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n' +
    `${size.toString(16)}\r\n`, /^HTTP\/1\.1 429 /],
  // A frame of which the end does not come. No mask: zeros.
  ['messages', 'GET /v1/actors HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
    'Sec-WebSocket-Protocol: sotto.json.v1\r\n\r\n', /^HTTP\/1\.1 101 [^]*\x88.\x03\xf5/],
]) {
  test(`${name} that come slowly are held up to a bound`, async (t) => {
    const node = await start(t)
    await node.say('ada', 'Hello!')
    const before = resident(node)
    const slow = await Promise.all(Array.from({ length: many }, () => dial(node, head)))
    if (name === 'messages') {
      await until('all are WebSockets', () => slow.every((x) => x.received.includes('101')))
      const frame = Buffer.alloc(14)
      frame.set([0x81, 0xff])
      frame.writeBigUInt64BE(BigInt(size), 2)
      slow.forEach((x) => x.write(frame))
    }
    slow.forEach((x) => x.write('x'.repeat(size - 50_000)))
    const full = () => slow.filter((x) => refused.test(x.received)).length
    await until('there is no more room', () => full() >= many - Math.ceil(room / (size - 200_000)), 60_000)
    assert.ok(full() < many, 'some have room')
    assert.ok(resident(node) - before < 2.5 * room, `${before} to ${resident(node)} bytes`)
    // Turns are small.
    assert.match((await node.say('bob', 'Is there room for me?')).choices[0].message.content, /\w/)
    slow.forEach((x) => x.destroy())
    await until('a large body has room again', () =>
      node.call('POST', '/v1/memories', memory('eve', 5000)).then((x) => x.status === 200))
    await node.stop()
  })
}

test('large answers that nobody reads are held up to a bound', async (t) => {
  const node = await start(t)
  // 30 MB in one page: the system's own buffers take no more than some of it.
  const lines = JSON.stringify(Array(30).fill({ user: 'eve', text: 'word '.repeat(6000) }))
  for (let i = 0; i < 34; ++i) assert.equal((await node.call('POST', '/v1/memories', lines)).status, 200)
  const ask = 'GET /v1/memories?user=eve&limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n'
  const before = resident(node)
  const deaf = []
  for (let i = 0; i < 40; ++i) {
    const socket = net.connect(node.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.pause()
    await once(socket, 'connect')
    socket.write(ask)
    deaf.push(socket)
    await pause(50) // what a page takes until it is written is not what this is about
  }
  await until('there is no more room', async () => (await node.call('GET', '/v1/memories?user=eve&limit=1000')).status === 429)
  assert.ok(resident(node) - before < 8 * room, `${before} to ${resident(node)} bytes`)
  assert.match((await node.say('bob', 'Is there room for me?')).choices[0].message.content, /\w/)
  deaf.forEach((x) => x.destroy())
  await until('there is room again', async () => (await node.call('GET', '/v1/memories?user=eve&limit=1000')).status === 200)
  await node.stop()
})

test('large messages and bodies that are whole are served as ever', async (t) => {
  const node = await start(t)
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/v1/actors`, 'sotto.json.v1')
  await once(socket, 'open')
  const answers = new Map()
  socket.on('message', (x) => {
    const { id, type, body } = JSON.parse(x.toString('utf8'))
    answers.set(id, { type, body })
  })
  // More than there is room for in all, but not at the same time.
  const memories = Array(30).fill({ user: 'max', text: 'word '.repeat(6000) })
  for (let i = 0; i < 80; ++i) socket.send(JSON.stringify({ id: i, type: 'remember', body: { memories } }))
  await until('all are answered', () => answers.size === 80, 120_000)
  for (const [id, x] of answers) assert.equal(x.type, 'reply', `${id}: ${JSON.stringify(x.body).slice(0, 100)}`)
  const all = await Promise.all(Array.from({ length: 80 }, (_, i) =>
    node.call('POST', '/v1/memories', memory(`u${i}`, 6000))))
  assert.deepEqual([...new Set(all.map((x) => x.status))], [200])
  socket.close()
  await node.stop()
})
