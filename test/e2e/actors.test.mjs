// Actor messages over the WebSocket /v1/actors, by `ws` and @msgpack/msgpack.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import { encode } from '@msgpack/msgpack'
import WebSocket from 'ws'
import { Node, until } from './node.mjs'
import { ActorSocket } from './socket.mjs'
import { startUpstream } from './upstream.mjs'

for (const format of ['msgpack', 'json']) {
  test(`a frontend speaks with actors in ${format}`, async (t) => {
    const node = await Node.start(t)
    const socket = await ActorSocket.open(t, node, format)
    const reply = async (type, body, more) => {
      const x = await socket.call(type, body, more)
      assert.equal(x.type, 'reply', JSON.stringify(x))
      assert.match(x.trace, /^[0-9a-f]{32}$/)
      return x.body
    }

    await t.test('say is answered with text, mood and memories', async () => {
      const x = await reply('say', { user: 'ada', text: 'I am so happy: my sister Anna visits!' }, { to: 'session' })
      assert.ok(x.text.length > 0)
      assert.equal(x.model, 'builtin')
      assert.equal(x.finish_reason, 'stop')
      assert.equal(x.memory_stored, true)
      assert.deepEqual(x.degraded, [])
      assert.ok(x.emotion.compound > 0)
    })

    await t.test('say streams tokens that make up the reply', async () => {
      const x = await socket.call('say', { user: 'ada', text: 'Tell me something.', stream: true })
      assert.ok(x.tokens.length > 2)
      assert.equal(x.tokens.join(''), x.body.text)
    })

    await t.test('remember, recall and forget', async () => {
      assert.deepEqual(await reply('remember', { user: 'bo', id: 'm1', text: 'Bo keeps bees.' }), { id: 'm1' })
      const many = await reply('remember', { memories: [
        { user: 'bo', text: 'Bo likes honey cake.' }, { user: 'cy', text: 'Cy keeps horses.' }] })
      assert.equal(many.ids.length, 2)
      const found = await reply('recall', { user: 'bo', query: 'Which bees?', k: 2 })
      assert.equal(found.results[0].id, 'm1')
      assert.ok(found.results.every((x) => !x.text.includes('horses')))
      assert.deepEqual(await reply('forget', { user: 'bo', id: 'm1' }), { id: 'm1', deleted: true })
      assert.deepEqual(await reply('forget', { user: 'bo', id: 'm1' }), { id: 'm1', deleted: false })
      const receipt = await reply('forget', { user: 'bo' }, { to: 'memory' })
      assert.equal(receipt.memories, 1)
      assert.deepEqual((await reply('recall', { user: 'bo', query: 'honey' })).results, [])
    })

    await t.test('emotion of one text and of many', async () => {
      const one = await reply('emotion', { text: 'VADER is smart, handsome, and funny.' })
      assert.equal(one.compound, 0.8316)
      const many = await reply('emotion', { texts: ['I love it!', 'I hate it!', ''] }, { to: 'emotion' })
      assert.equal(many.results.length, 3)
      assert.ok(many.results[0].compound > 0 && many.results[1].compound < 0)
      assert.equal(many.results[2].compound, 0)
    })

    await t.test('many calls at once are each answered under their own id', async () => {
      const asked = Array.from({ length: 60 }, (_, i) =>
        socket.call('emotion', { text: i % 2 ? 'Wonderful!' : 'Terrible!' }, { id: `call-${i}` }))
      for (const [i, x] of (await Promise.all(asked)).entries()) {
        assert.equal(x.id, `call-${i}`)
        assert.equal(x.body.compound > 0, i % 2 === 1)
      }
    })

    await t.test('turns of one user run in order of arrival', async () => {
      const turns = Array.from({ length: 8 }, (_, i) => socket.call('say', { user: 'di', text: `Line ${i}.` }))
      await Promise.all(turns)
      const own = (await node.memories('di')).filter((x) => x.speaker === 'di')
      assert.deepEqual(own.map((x) => x.text), Array.from({ length: 8 }, (_, i) => `Line ${i}.`))
    })

    await t.test('a trace that is given is kept', async () => {
      const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
      const x = await socket.call('emotion', { text: 'x' }, { trace: `00-${trace}-00f067aa0ba902b7-01` })
      assert.equal(x.trace, trace)
    })

    await t.test('wrong calls are answered with errors that name the field', async () => {
      const refused = async (envelope, code, param) => {
        const x = await socket.send({ id: socket.next++, ...envelope })
        assert.equal(x.type, 'error', JSON.stringify(x))
        assert.equal(x.body.code, code, JSON.stringify(x.body))
        assert.ok(x.body.message.length > 0)
        if (param) assert.equal(x.body.param, param)
      }
      await refused({ type: 'dance', body: {} }, 'not_found')
      await refused({ type: 'say', to: 'memory', body: { text: 'x' } }, 'not_found')
      await refused({ body: {} }, 'invalid', 'type')
      await refused({ type: 'say', body: [] }, 'invalid', 'body')
      await refused({ type: 'say', body: {} }, 'invalid', 'body.text')
      await refused({ type: 'say', body: { text: 7 } }, 'invalid', 'body.text')
      await refused({ type: 'say', body: { text: 'x', persona: 'nobody' } }, 'not_found', 'body.persona')
      await refused({ type: 'say', priority: 'asap', body: { text: 'x' } }, 'invalid', 'priority')
      await refused({ type: 'say', deadline_ms: -1, body: { text: 'x' } }, 'invalid', 'deadline_ms')
      await refused({ type: 'say', trace: 'x', body: { text: 'x' } }, 'invalid', 'trace')
      await refused({ type: 'remember', body: { user: 'x' } }, 'invalid')
      await refused({ type: 'recall', body: { user: 'x', query: 'y', k: 0 } }, 'invalid')
      await refused({ type: 'forget', body: {} }, 'invalid', 'body.user')
      await refused({ type: 'emotion', body: { texts: [1] } }, 'invalid', 'body.texts')
      await refused({ type: 'cancel', body: {} }, 'invalid', 'body.id')
    })

    await t.test('frames that are no calls are answered, and the socket serves on', async () => {
      for (const frame of format === 'json'
        ? ['', '{', 'null', '[]', '{"id":{}}', '\u0000', '['.repeat(10_000)]
        : [[], [0xc1], [0x81], [0xc0], encode([1]), encode({ id: null }), Buffer.alloc(5000, 0x91),
          [0xdd, 0xff, 0xff, 0xff, 0xff], [0xc7, 0x01, 0x05, 0x00], encode({ id: 1, type: 'say', body: new Uint8Array(4) })]) {
        socket.raw(format === 'json' ? frame : Buffer.from(frame))
        const x = await socket.unasked()
        assert.equal(x.type, 'error')
        assert.equal(x.body.code, 'invalid')
      }
      assert.equal((await reply('emotion', { text: 'Good.' })).primary.length > 0, true)
    })

    await t.test('a frame over the limit closes this socket', async () => {
      const other = await ActorSocket.open(t, node, format)
      other.raw(format === 'json' ? 'x'.repeat(2 << 20) : Buffer.alloc(2 << 20))
      assert.equal((await other.closed).code, 1009)
      assert.ok((await reply('emotion', { text: 'Good.' })).primary)
    })
  })
}

test('calls may be cancelled, and hanging up cancels', async (t) => {
  const upstream = await startUpstream({ pace: 500 })
  t.after(() => upstream.close())
  const node = await Node.start(t, { config: `
[[llm.deployments]]
name = "slow"
base_url = "${upstream.url}"
model = "slow"
[[personas]]
name = "companion"
llm = ["slow"]
` })
  const socket = await ActorSocket.open(t, node, 'msgpack')

  await t.test('cancel ends a running turn down to the provider', async () => {
    const turn = socket.send({ id: 'story', type: 'say', body: { user: 'ada', text: 'A long story.' } })
    await until('the provider works', () => upstream.stats.running === 1)
    const cancelled = await socket.call('cancel', { id: 'story' })
    assert.deepEqual(cancelled.body, { cancelled: true })
    const x = await turn
    assert.equal(x.type, 'error')
    assert.equal(x.body.code, 'cancelled')
    await until('the provider\'s socket was closed', () => upstream.stats.aborted === 1, 3000)
    assert.deepEqual((await socket.call('cancel', { id: 'story' })).body, { cancelled: false })
  })

  await t.test('a call ends at its deadline', async () => {
    const x = await socket.call('say', { user: 'bo', text: 'A long story.' }, { deadline_ms: 700 })
    assert.equal(x.type, 'error')
    assert.equal(x.body.code, 'timeout')
    await until('the provider\'s socket was closed', () => upstream.stats.running === 0, 3000)
  })

  await t.test('hanging up cancels all that runs', async () => {
    const before = upstream.stats.running
    for (let i = 0; i < 64; ++i)
      socket.tell({ id: `t${i}`, type: 'say', body: { user: `u${i}`, text: 'A long story.' } })
    await until('they run', () => upstream.stats.running >= before + 60)
    socket.ws.close()
    await socket.closed
    await until('hanging up cancelled all', () => upstream.stats.running === 0, 5000)
  })
})

test('an upgrade without a protocol of ours is refused with 400', async (t) => {
  const node = await Node.start(t)
  for (const offered of [[], ['chat']]) {
    const ws = new WebSocket(`${node.url.replace('http', 'ws')}/v1/actors`, offered)
    ws.on('error', () => {})
    const [, response] = await once(ws, 'unexpected-response')
    assert.equal(response.statusCode, 400)
    response.destroy()
  }
  const elsewhere = new WebSocket(`${node.url.replace('http', 'ws')}/v1/nothing`, 'sotto.json.v1')
  elsewhere.on('error', () => {})
  const [, response] = await once(elsewhere, 'unexpected-response')
  assert.equal(response.statusCode, 404)
  response.destroy()
})
