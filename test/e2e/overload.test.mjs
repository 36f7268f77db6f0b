// A node that is too busy refuses at the door: at once, honestly, the less important first, on
// connections that stay open. Memory above a tiny limit makes it too busy.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import test from 'node:test'
import { Node, run, tempFolder, until } from './node.mjs'
import { ActorSocket } from './socket.mjs'

const metric = async (node, name) => {
  const text = await (await node.get('/metrics')).text()
  return Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} ([-0-9.e+]+)$`, 'm').exec(text)?.[1])
}

async function busyNode(t, ...set) {
  const node = await Node.start(t, { set: ['admission.max_memory=1KiB', ...set] })
  await node.say('ada', 'hello') // the load is looked at while there are turns
  await until('the node refuses', async () => (await metric(node, 'sotto_overload_step')) === 5)
  return node
}

const body = { model: 'companion', user: 'ada', messages: [{ role: 'user', content: 'hello' }] }

test('a refusal says when to come again, and critical turns still pass', async (t) => {
  const node = await busyNode(t)
  const x = await node.call('POST', '/v1/chat/completions', body)
  assert.equal(x.status, 429)
  assert.equal(x.body.error.code, 'overloaded')
  assert.equal(x.body.error.type, 'rate_limit_error')
  assert.ok(Number(x.headers.get('retry-after')) >= 1)
  assert.equal(x.body.error.retry_after, Number(x.headers.get('retry-after')))
  assert.equal(x.headers.get('sotto-overload'), 'refuse')
  const plain = await node.call('POST', '/api/chat', { user_id: 'ada', message: 'hello' })
  assert.equal(plain.status, 429)
  assert.match(plain.body.error, /overloaded/)
  const critical = await node.say('ada', 'hello', {}, { 'Sotto-Priority': 'critical' })
  assert.equal(critical.sotto.level, 'critical')
  assert.ok(critical.sotto.degraded.includes('overload:no_analysers'))
  assert.equal((await node.call('GET', '/v1/models')).status, 200)
  assert.ok((await metric(node, 'sotto_admission_turns_total{level="normal",outcome="early"}')) >= 2)
  assert.match(node.stderr, /admission: step refuse after normal/)
})

test('a refusal at the door has a trace id, the caller\'s where it sends one', async (t) => {
  const node = await busyNode(t)
  const refused = async (headers = {}) => {
    const x = await node.call('POST', '/v1/chat/completions', body, headers)
    assert.equal(x.status, 429)
    assert.equal(x.headers.get('x-request-id'), x.headers.get('sotto-trace'))
    return x.headers.get('sotto-trace')
  }
  const [first, second] = [await refused(), await refused()]
  assert.match(first, /^[0-9a-f]{32}$/)
  assert.notEqual(first, second)
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  assert.equal(await refused({ traceparent: `00-${trace}-00f067aa0ba902b7-01` }), trace)
  const told = await node.call('GET', `/v1/traces/${trace}`)
  assert.equal(told.status, 200)
  assert.deepEqual(told.body.spans.map((x) => [x.actor, x.note, x.outcome]), [['gateway', 'overload:refuse', 'refused']])
  assert.equal(told.body.spans[0].parent, '00f067aa0ba902b7')
})

test('a tenant that floods is refused, one that does not is served', async (t) => {
  const data = tempFolder(t)
  const keyOf = async (tenant, ...more) => {
    const x = await run(['keys', 'create', '--data', data, '--json', '--tenant', tenant, '--name', tenant, ...more])
    assert.equal(x.code, 0, x.stderr)
    return { Authorization: `Bearer ${JSON.parse(x.stdout).key}` }
  }
  const [flood, polite, admin] = [await keyOf('flood'), await keyOf('polite'), await keyOf('ops', '--admin')]
  const node = await Node.start(t, { data, set: ['admission.target_wait=1ms', 'admission.max_running=1', 'admission.hold_refusals=10ms'] })
  const seen = { served: 0, refused: 0 }
  let over = false
  // Long, so that a turn costs the node more than its client, however fast the machine is.
  const long = { ...body, messages: [{ role: 'user', content: 'the dog was happy at the lake, '.repeat(600) }] }
  const floods = Array.from({ length: 64 }, async (_, i) => {
    for (let n = 0; !over; ++n) {
      const x = await node.call('POST', '/v1/chat/completions', { ...long, user: `f${i}-${n % 8}` }, flood)
      assert.ok(x.status === 200 || x.status === 429, `${x.status}`)
      seen[x.status === 200 ? 'served' : 'refused'] += 1
    }
  })
  try {
    await until('the flood is refused', () => seen.refused > 100, 60_000)
    const before = seen.refused
    for (let i = 0; i < 40; ++i) {
      const x = await node.call('POST', '/v1/chat/completions', { ...body, user: 'p' }, polite)
      assert.equal(x.status, 200, `turn ${i}: ${JSON.stringify(x.body)}`)
    }
    assert.ok(seen.refused > before, 'the node was overloaded meanwhile')
    assert.ok(seen.served > 0)
    const metrics = await (await node.get('/metrics', { headers: admin })).text()
    assert.match(metrics, /sotto_admission_turns_total\{level="normal",outcome="early"\} [1-9]/)
  } finally {
    over = true
    await Promise.all(floods)
  }
})

test('a connection outlives its refusals, whatever the size and pace of the bodies', async (t) => {
  const node = await busyNode(t, 'admission.hold_refusals=0s')
  const socket = net.connect(node.port, '127.0.0.1')
  t.after(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (x) => (text += x))
  await once(socket, 'connect')
  const answers = () => text.split('HTTP/1.1 429').length - 1
  const head = (size) => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`
  socket.write(head(5) + 'hello')
  await until('the first is answered', () => answers() === 1)
  socket.write(head(50_000) + 'x'.repeat(20_000))
  await new Promise((done) => setTimeout(done, 20))
  assert.equal(answers(), 1)
  socket.write('x'.repeat(30_000))
  await until('the second is answered', () => answers() === 2)
  socket.write(head(0) + head(3) + 'abc' + head(2) + 'hi') // pipelined
  await until('all are answered', () => answers() === 5)
  assert.ok(!text.includes('Connection: close'))
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('and it goes on', () => text.includes('alive'))
  socket.write(head(10_000_000)) // too much to read for nothing
  await until('the last is answered', () => answers() === 6)
  assert.ok(text.includes('Connection: close'))
})

test('a client that asks again at once is held back', async (t) => {
  const node = await busyNode(t, 'admission.hold_refusals=300ms')
  const socket = net.connect(node.port, '127.0.0.1')
  t.after(() => socket.destroy())
  let answers = 0
  const start = Date.now()
  socket.setEncoding('latin1').on('data', () => {
    if (++answers < 4) socket.write(request)
  })
  const request = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'
  socket.write(request)
  await until('four refusals', () => answers === 4)
  assert.ok(Date.now() - start >= 900)
})

test('refusals that are held do not keep out who comes anew', async (t) => {
  const node = await busyNode(t, 'gateway.max_connections=40', 'admission.hold_refusals=10s')
  const request = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'
  const sockets = []
  t.after(() => sockets.forEach((x) => x.destroy()))
  for (let i = 0; i < 200; ++i) {
    const x = net.connect(node.port, '127.0.0.1')
    x.on('error', () => {}).on('connect', () => x.write(request)).resume()
    sockets.push(x)
    if (i % 20 === 19) await new Promise((done) => setTimeout(done, 20))
  }
  for (let i = 0; i < 20; ++i) {
    const x = await fetch(`${node.url}/livez`, { headers: { Connection: 'close' } })
    assert.equal(x.status, 200)
  }
  assert.ok((await metric(node, 'sotto_sockets')) <= 41)
})

test('over a WebSocket a refusal is an error with the time to wait', async (t) => {
  const node = await busyNode(t)
  const socket = await ActorSocket.open(t, node, 'msgpack')
  const x = await socket.call('say', { user: 'ada', text: 'hello' })
  assert.equal(x.type, 'error')
  assert.equal(x.body.code, 'overloaded')
  assert.ok(x.body.retry_after >= 1)
  const y = await socket.call('say', { user: 'ada', text: 'hello' }, { priority: 'critical' })
  assert.equal(y.type, 'reply')
  assert.equal(y.body.level, 'critical')
})

test('turns of one conversation keep their order whatever their levels', async (t) => {
  const node = await Node.start(t)
  const socket = await ActorSocket.open(t, node, 'json')
  const order = []
  const levels = ['low', 'critical', 'background', 'high', 'normal', 'critical', 'low', 'high']
  await Promise.all(levels.map((priority, i) =>
    socket.call('say', { user: 'ada', text: `number ${i}` }, { priority }).then((x) => {
      assert.equal(x.body.level, priority)
      order.push(i)
    })))
  assert.deepEqual(order, levels.map((_, i) => i))
})
