// WebSocket frontends under load and in trouble: many users over one socket, credit, slow readers,
// sockets that go silent.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import test from 'node:test'
import { encode } from '@msgpack/msgpack'
import { Node, pause, until } from './node.mjs'
import { ActorSocket } from './socket.mjs'
import { startUpstream } from './upstream.mjs'

const says = (socket, i, more = {}) =>
  socket.send({ id: `say-${i}`, type: 'say', body: { user: `user-${i}`, text: `I am number ${i}.` }, ...more })

async function slowNode(t, pace, set = []) {
  const upstream = await startUpstream({ pace })
  t.after(() => upstream.close())
  const node = await Node.start(t, { set, config: `
[[llm.deployments]]
name = "slow"
base_url = "${upstream.url}"
model = "slow"
max_concurrency = 1000
[[personas]]
name = "companion"
llm = ["slow"]
` })
  return { node, upstream }
}

test('two thousand users over one socket', async (t) => {
  const node = await Node.start(t)
  const socket = await ActorSocket.open(t, node, 'msgpack')
  const answers = await Promise.all(Array.from({ length: 2000 }, (_, i) => says(socket, i)))
  for (const [i, x] of answers.entries()) {
    assert.equal(x.type, 'reply', JSON.stringify(x))
    assert.equal(x.id, `say-${i}`)
    assert.equal(x.body.memory_stored, true)
  }
  assert.deepEqual((await node.memories('user-1999'))[0].text, 'I am number 1999.')
})

test('a flood on one socket does not crowd out another, and within one the important goes first', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_in_flight=16'] })
  const loud = await ActorSocket.open(t, node, 'json')
  const quiet = await ActorSocket.open(t, node, 'json')
  let answered = 0
  const flood = Array.from({ length: 2000 }, (_, i) => says(loud, i).then(() => ++answered))
  await until('the flood is being served', () => answered > 0)
  const urgent = says(loud, 'urgent', { priority: 'critical' }).then(() => answered)
  const beside = says(quiet, 'quiet').then(() => answered)
  assert.ok((await beside) < 1500, `${await beside} of the flood went before`)
  assert.ok((await urgent) < 1500, `${await urgent} of the flood went before`)
  await Promise.all(flood)
})

test('calls cost credit, which comes back', async (t) => {
  const { node, upstream } = await slowNode(t, 20, ['gateway.max_calls=8', 'gateway.max_in_flight=4'])

  await t.test('a frontend that counts is never refused', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    const hello = await socket.hello()
    assert.equal(hello.protocol, 1)
    assert.equal(hello.calls, 8)
    assert.equal(hello.limits.in_flight, 4)
    const answers = []
    for (let i = 0; i < 40; ++i) {
      await socket.spend()
      answers.push(socket.call('emotion', { text: 'Good.' }))
    }
    for (const x of await Promise.all(answers)) assert.equal(x.type, 'reply')
    await until('all credit is back', () => socket.credit === 8)
  })

  await t.test('one that does not count gets credit back with each answer', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    for (let i = 0; i < 5; ++i) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => socket.call('emotion', { text: 'Good.' })))
      assert.ok(answers.every((x) => x.type === 'reply'))
    }
    assert.deepEqual(socket.stray, [])
  })

  await t.test('calls without credit are refused, those with it are served', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    const turns = Array.from({ length: 12 }, (_, i) => says(socket, i))
    for (const x of await Promise.all(turns.slice(8))) {
      assert.equal(x.type, 'error')
      assert.equal(x.body.code, 'flow_control')
    }
    for (const x of await Promise.all(turns.slice(0, 8))) assert.equal(x.type, 'reply')
  })

  await t.test('a call that waits can be cancelled, and its place is free again', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    const turns = Array.from({ length: 8 }, (_, i) => says(socket, i))
    await until('four run', () => upstream.stats.running === 4)
    assert.deepEqual((await socket.call('cancel', { id: 'say-7' })).body, { cancelled: true })
    assert.equal((await turns[7]).body.code, 'cancelled')
    assert.equal((await says(socket, 8)).type, 'reply')
    for (const x of await Promise.all(turns.slice(0, 7))) assert.equal(x.type, 'reply')
  })

  await t.test('who goes on without credit is cut', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    socket.ws.on('message', () => {})
    for (let i = 0; i < 3000; ++i) socket.tell({ id: i, type: 'say', body: { user: 'flood', text: 'A long story.' } })
    assert.equal((await socket.closed).code, 4002)
    const other = await ActorSocket.open(t, node, 'json')
    assert.equal((await other.call('emotion', { text: 'Good.' })).type, 'reply')
  })
})

test('a frontend limits the tokens it is sent', async (t) => {
  const { node } = await slowNode(t, 5)
  const socket = await ActorSocket.open(t, node, 'msgpack')
  const text = 'A story of many words that is told one word at a time, please, and slowly.'
  const say = (user, tokens, ontoken) =>
    socket.send({ id: user, type: 'say', body: { user, text, stream: true, tokens } }, ontoken)

  await t.test('without limit each piece is a frame', async () => {
    const x = await say('ada')
    assert.ok(x.pieces.length > 15)
    assert.equal(x.tokens.join(''), x.body.text)
  })

  await t.test('with one, pieces are gathered until it lets itself be sent more', async () => {
    const x = await say('bo', 1, async () => {
      await pause(30)
      socket.tell({ id: 'more', type: 'credit', body: { id: 'bo', tokens: 1 } })
    })
    assert.ok(x.pieces.length > 1 && x.pieces.length < 15, `${x.pieces.length} pieces`)
    let at = 0
    for (const piece of x.pieces) {
      assert.equal(piece.offset, at)
      at += Buffer.byteLength(piece.text)
    }
    assert.ok(x.body.text.startsWith(x.tokens.join('')))
  })

  await t.test('with none, the turn goes on and the reply has the whole text', async () => {
    const x = await say('cy', 0)
    assert.equal(x.pieces.length, 0)
    assert.match(x.body.text, /^You said: A story/)
    assert.deepEqual(socket.stray, [])
  })

  await t.test('a wrong credit is answered', async () => {
    for (const [body, param] of [[{ id: 1 }, 'body.tokens'], [{ tokens: 1 }, 'body.id'], [{ id: 1, tokens: 0 }, 'body.tokens']]) {
      const x = await socket.call('credit', body)
      assert.equal(x.type, 'error')
      assert.equal(x.body.param, param)
    }
  })
})

test('a reader that does not read is cut, and the node holds no more than agreed', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_unsent=64KiB'] })
  const socket = await ActorSocket.open(t, node, 'json')
  socket.ws._socket.pause()
  const texts = Array.from({ length: 2000 }, (_, i) => `Good ${i}.`)
  for (let i = 0; i < 200 && socket.ws.readyState === 1; ++i) {
    socket.tell({ id: i, type: 'emotion', body: { texts } })
    await pause(1)
  }
  await until('the node cut it', async () =>
    /sotto_sockets 1\b/.test(await (await node.get('/metrics')).text()), 15_000)
  socket.ws._socket.resume()
  // 4001 if its frame still fitted into the socket's buffers.
  assert.ok([4001, 1006].includes((await socket.closed).code))
})

test('frames that nobody takes are not read, and nothing is lost', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_unread=64KiB', 'gateway.max_in_flight=1'] })
  const socket = await ActorSocket.open(t, node, 'json')
  const text = 'So good! '.repeat(2000)
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => socket.call('emotion', { text: text + i })))
  for (const x of answers) assert.equal(x.type, 'reply')
})

test('a socket whose other end is gone is found by pings', async (t) => {
  const node = await Node.start(t, { set: ['gateway.idle_timeout=1s'] })
  const dead = await ActorSocket.open(t, node, 'json', { autoPong: false })
  const alive = await ActorSocket.open(t, node, 'json')
  let pings = 0
  dead.ws.on('ping', () => ++pings)
  const since = Date.now()
  assert.equal((await dead.closed).code, 1006)
  assert.ok(pings > 0)
  while (Date.now() - since < 3000) await pause(50)
  assert.equal((await alive.call('emotion', { text: 'Good.' })).type, 'reply')
})

for (const format of ['msgpack', 'json']) {
  test(`random frames in ${format} harm nobody`, async (t) => {
    const node = await Node.start(t)
    const socket = await ActorSocket.open(t, node, format)
    let seed = 7
    const random = (n) => (seed = (seed * 48271) % 2147483647) % n
    const pick = (xs) => xs[random(xs.length)]
    const types = ['say', 'remember', 'recall', 'forget', 'emotion', 'cancel', 'hello', 'credit', 'subscribe', 'unsubscribe', '', 'x']
    const values = [null, true, -1, 0, 1, 1.5, 2 ** 53, '', 'x', 'é', [], [1], {}, { a: [] }, 'y'.repeat(5000), [[[[[]]]]]]
    const fields = ['id', 'user', 'text', 'texts', 'query', 'k', 'memories', 'tokens', 'stream', 'resume',
      'idempotency_key', 'events', 'conversation', 'where', 'persona']
    const value = () => (random(3) ? pick(values) : pick(['user', 'text', 1]))
    const body = () => Object.fromEntries(Array.from({ length: random(5) }, () => [pick(fields), value()]))
    let answered = 0
    socket.ws.on('message', () => ++answered)
    for (let i = 0; i < 1500; ++i) {
      const x = { id: i, type: pick(types), body: random(10) ? body() : value() }
      if (!random(8)) delete x[pick(['id', 'type', 'body'])]
      if (!random(8)) x[pick(['priority', 'deadline_ms', 'trace', 'to'])] = value()
      let bytes = format === 'json' ? Buffer.from(JSON.stringify(x)) : Buffer.from(encode(x))
      if (!random(4)) bytes = bytes.subarray(0, random(bytes.length + 1))
      // A text frame must be UTF-8: WebSockets close for it themselves.
      if (!random(4) && bytes.length > 0) bytes[random(bytes.length)] = format === 'json' ? random(128) : random(256)
      if (format === 'json' && Buffer.from(bytes.toString('utf8')).compare(bytes) !== 0) continue
      socket.raw(format === 'json' ? bytes.toString('utf8') : bytes)
      if (i % 100 === 0) await pause(5)
    }
    await until('most were answered', () => answered > 1000)
    const other = await ActorSocket.open(t, node, format)
    assert.equal((await other.call('emotion', { text: 'Good.' })).type, 'reply')
    assert.equal(node.ended, undefined)
  })
}

test('sockets that connect and say nothing are let go', async (t) => {
  const node = await Node.start(t, { set: ['gateway.header_timeout=500ms'] })
  const sockets = Array.from({ length: 50 }, () => net.connect(node.port, '127.0.0.1'))
  for (const x of sockets) x.on('error', () => {}).resume()
  await Promise.all(sockets.map((x) => once(x, 'close')))
})

test('a stream that was cut is taken up again where it ended', async (t) => {
  const { node, upstream } = await slowNode(t, 20)
  const text = 'Tell mé a störy, please.'
  const body = (key, more) => ({ user: key, text, stream: true, idempotency_key: key, ...more })

  const cutAfter = async (pieces, format) => {
    const key = `cut-${format}-${pieces}`
    const first = await ActorSocket.open(t, node, format)
    let heard = ''
    const cut = new Promise((done) => {
      first.send({ id: 1, type: 'say', body: body(key) }, (x) => {
        heard += x.text
        if (--pieces === 0) { first.ws.terminate(); done() }
      }).then(done)
    })
    await cut
    const second = await ActorSocket.open(t, node, format)
    const offset = Buffer.byteLength(heard)
    const x = await second.call('say', body(key, { resume: offset }))
    assert.equal(x.type, 'reply', JSON.stringify(x))
    assert.deepEqual(x.resumed, { recovered: true, offset })
    assert.equal(heard + x.tokens.join(''), x.body.text)
    if (x.pieces.length > 0) assert.equal(x.pieces[0].offset, offset)
    assert.equal((await node.memories(key)).length, 2)
    return x.body.text
  }

  await t.test('at every token', async () => {
    const whole = (await (await ActorSocket.open(t, node, 'json')).call('say', body('whole'))).pieces.length
    assert.ok(whole > 8)
    const before = upstream.stats.requests
    for (const format of ['json', 'msgpack']) {
      const texts = await Promise.all(Array.from({ length: whole }, (_, i) => cutAfter(i + 1, format)))
      assert.equal(new Set(texts).size, 1)
    }
    assert.equal(upstream.stats.requests, before + 2 * whole, 'no turn ran twice')
  })

  await t.test('after its end, and from its beginning', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    const whole = await socket.call('say', body('whole', { resume: 0 }))
    assert.deepEqual(whole.resumed, { recovered: true, offset: 0 })
    assert.equal(whole.tokens.join(''), whole.body.text)
    const end = Buffer.byteLength(whole.body.text)
    const rest = await socket.call('say', body('whole', { resume: end }))
    assert.deepEqual(rest.resumed, { recovered: true, offset: end })
    assert.deepEqual(rest.tokens, [])
    assert.equal(rest.body.text, whole.body.text)
  })

  await t.test('what is not known is said anew, and told so', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    const x = await socket.call('say', body('unknown', { resume: 12 }))
    assert.deepEqual(x.resumed, { recovered: false, offset: 0 })
    assert.equal(x.tokens.join(''), x.body.text)
  })

  await t.test('an explicit cancel ends a turn with a key, and a turn without one ends with its socket', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    socket.tell({ id: 'a', type: 'say', body: body('cancelled') })
    socket.tell({ id: 'b', type: 'say', body: { user: 'b', text } })
    await until('both run', () => upstream.stats.running === 2)
    await socket.call('cancel', { id: 'a' })
    await until('one runs', () => upstream.stats.running === 1)
    const aborted = upstream.stats.aborted
    socket.ws.terminate()
    await until('none runs', () => upstream.stats.running === 0)
    assert.equal(upstream.stats.aborted, aborted + 1)
  })

  await t.test('resume needs a key', async () => {
    const socket = await ActorSocket.open(t, node, 'json')
    for (const [more, param] of [[{ idempotency_key: undefined, resume: 0 }, 'body.idempotency_key'],
      [{ resume: -1 }, 'body.resume'], [{ resume: 'x' }, 'body.resume']]) {
      const x = await socket.call('say', body('wrong', more))
      assert.equal(x.type, 'error')
      assert.equal(x.body.param, param)
    }
  })
})

test('a frontend is told what happens in its conversations', async (t) => {
  const node = await Node.start(t, { config: `
[[personas]]
name = "companion"
[[personas]]
name = "chatty"
proactive_after = "1s"
` })
  const socket = await ActorSocket.open(t, node, 'json')
  const events = (user) => socket.events.map((x) => x.body).filter((x) => x.user === user)

  await t.test('typing and mood', async () => {
    assert.deepEqual((await socket.call('subscribe', { user: 'ada' }, { id: 'sub' })).body, { subscriptions: 1 })
    await socket.call('say', { user: 'ada', text: 'I am so happy!' })
    await until('all came', () => events('ada').length === 3)
    assert.deepEqual(events('ada').map((x) => [x.event, x.on]).sort(), [['mood', undefined], ['typing', false], ['typing', true]])
    assert.ok(events('ada').find((x) => x.event === 'mood').emotion.compound > 0)
    assert.ok(socket.events.every((x) => x.id === 'sub'))
  })

  await t.test('of all it speaks for, and only what it wants', async () => {
    await socket.call('subscribe', { events: ['mood'] })
    await socket.call('say', { user: 'bo', text: 'I am so sad, my dog died.' })
    await until('it came', () => events('bo').length === 1)
    assert.equal(events('bo')[0].event, 'mood')
  })

  await t.test('nothing once it unsubscribed', async () => {
    assert.deepEqual((await socket.call('unsubscribe', { user: 'ada' })).body, { unsubscribed: 1 })
    const before = events('ada').length
    await socket.call('unsubscribe', {})
    await socket.call('say', { user: 'ada', text: 'I am so angry!' })
    await socket.call('emotion', { text: 'x' })
    assert.equal(events('ada').length, before)
  })

  await t.test('what the companion says of its own accord, once a silence', async () => {
    await socket.call('subscribe', { user: 'cy', persona: 'chatty', events: ['message'] })
    await socket.call('say', { user: 'cy', persona: 'chatty', text: 'My cat Tux is ill today.' })
    const [said] = await until('it speaks', () => events('cy').length > 0 && events('cy'))
    assert.equal(said.event, 'message')
    assert.equal(said.persona, 'chatty')
    assert.ok(said.text.length > 0)
    await pause(2500)
    assert.equal(events('cy').length, 1)
    const lines = await node.memories('cy')
    assert.deepEqual(lines.map((x) => x.speaker), ['cy', 'chatty', 'chatty'])
    assert.equal(lines[2].text, said.text)
    assert.equal(lines[2].id, said.memory)
  })

  await t.test('wrong subscriptions are answered', async () => {
    for (const [body, param] of [[{ events: [] }, 'body.events'], [{ events: ['dance'] }, 'body.events'],
      [{ events: 'mood' }, 'body.events'], [{ conversation: 'x' }, 'body.conversation'], [{ user: [] }, 'body.user'],
      [{ user: 'x', persona: 'nobody' }, 'body.persona']]) {
      const x = await socket.call('subscribe', body)
      assert.equal(x.type, 'error')
      assert.equal(x.body.param, param)
    }
  })
})

test('a socket may listen to so many conversations, and none is kept when it closes', async (t) => {
  const node = await Node.start(t, { set: ['gateway.max_subscriptions=50', 'session.idle_timeout=1s'] })
  const actors = async () => Number(/^sotto_actors (\d+)/m.exec(await (await node.get('/metrics')).text())[1])
  const socket = await ActorSocket.open(t, node, 'msgpack')
  for (let i = 0; i < 50; ++i) assert.equal((await socket.call('subscribe', { user: i })).type, 'reply')
  assert.equal((await socket.call('subscribe', { user: 50 })).body.code, 'overloaded')
  assert.equal((await socket.call('subscribe', { user: 49 })).type, 'reply')
  const before = await actors()
  await pause(2000)
  assert.ok((await actors()) >= before, 'they stay while they are listened to')
  socket.ws.close()
  await socket.closed
  await until('the sessions have ended', async () => (await actors()) <= before - 51)
})
