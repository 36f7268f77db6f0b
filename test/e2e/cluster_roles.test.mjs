// Nodes of different roles: one takes frontends, one owns the conversations, others call models.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import WebSocket from 'ws'
import { Cluster } from './cluster_nodes.mjs'
import { pause, until } from './node.mjs'
import { startUpstream } from './upstream.mjs'

const config = (url) => ['echo', 'slow'].map((x) => `
[[llm.deployments]]
name = "${x}"
base_url = "${url}"
model = "${x}"
[[personas]]
name = "p-${x}"
llm = ["${x}"]
`).join('') + '[[personas]]\nname = "local"\nllm = []\n'

const everything = (n) => n === 256
const none = (n) => n === 0

test('gateway, worker and llm on nodes of their own', async (t) => {
  const upstream = await startUpstream({ pace: 100 })
  t.after(() => upstream.close())
  const cluster = await Cluster.open(t)
  const file = path.join(cluster.data, 'sotto.toml')
  fs.writeFileSync(file, config(upstream.url))
  const start = (name, role) =>
    cluster.start(name, { set: [`cluster.roles=["${role}"]`], prefix: ['env', `SOTTO_CONFIG=${file}`] })
  const [g, w] = await Promise.all([start('g1', 'gateway'), start('w1', 'worker'), start('m1', 'llm')])

  const say = async (model, user, content, { to = g, key, ...more } = {}) => {
    const x = await fetch(`${to.http}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) },
      body: JSON.stringify({ model, user, messages: [{ role: 'user', content }], ...more }),
    })
    return more.stream ? x : { status: x.status, headers: x.headers, body: await x.json() }
  }
  const text = (x) => x.body.choices?.[0].message.content
  /** Reads a stream; calls `heard` with all text by now. */
  const read = async (answer, heard = () => {}) => {
    let raw = '', said = '', failure
    for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
      raw += bytes
      for (let end; (end = raw.indexOf('\n\n')) >= 0; raw = raw.slice(end + 2)) {
        const data = raw.slice(0, end).split('\n').find((x) => x.startsWith('data: '))?.slice(6)
        if (!data || data === '[DONE]') continue
        const x = JSON.parse(data)
        if (x.error) failure = x.error
        said += x.choices?.[0]?.delta?.content ?? ''
        await heard(said)
      }
    }
    return { said, failure }
  }

  await t.test('the worker owns everything, and each node says what it is', async () => {
    await cluster.settled('g1', { g1: none, w1: everything, m1: none })
    const roles = await until('all are known', async () => {
      const { nodes } = await cluster.view('g1')
      return nodes.length === 3 && nodes.map((x) => [x.name, x.roles.join()])
    })
    assert.deepEqual(roles, [['g1', 'gateway'], ['m1', 'llm'], ['w1', 'worker']])
  })

  await t.test('a turn goes from gateway to worker to model and back', async () => {
    const plain = await say('p-echo', 'ada', 'Hello from afar.')
    assert.equal(plain.status, 200, JSON.stringify(plain.body))
    assert.match(text(plain), /^You said: Hello from afar\./)
    const pieces = []
    const { said } = await read(await say('p-slow', 'ada', 'One two three.', { stream: true }), (x) => pieces.push(x.length))
    assert.match(said, /^You said: One two three\./)
    assert.ok(new Set(pieces).size > 3, `the text came at once: ${pieces}`)
    const kept = await fetch(`${g.http}/v1/memories?user=ada`).then((x) => x.json())
    assert.equal(kept.results.length, 4)
    // The model of a pass-through call is reached from the gateway itself.
    const direct = await say('echo/echo', undefined, 'Straight through.')
    assert.match(text(direct), /^You said: Straight through\./)
    assert.equal(await cluster.figure('w1', 'sotto_llm_route_total', 'node="m1"', 'outcome="completed"'), 2)
    assert.equal(await cluster.figure('g1', 'sotto_llm_route_total', 'node="m1"', 'outcome="completed"'), 1)
    assert.equal(await cluster.figure('m1', 'sotto_llm_requests_total', 'outcome="completed"'), 3)
    assert.equal(await cluster.figure('w1', 'sotto_llm_requests_total'), 0)
  })

  await t.test('other nodes serve operators alone', async () => {
    for (const name of ['w1', 'm1']) {
      const to = cluster.running.get(name)
      const refused = await say('p-echo', 'ada', 'Hello?', { to })
      assert.equal(refused.status, 404)
      assert.equal(refused.body.error.code, 'not_a_gateway')
      const socket = new WebSocket(`${to.http.replace('http', 'ws')}/v1/actors`, 'sotto.json.v1')
      const code = await new Promise((done) => {
        socket.on('unexpected-response', (_, x) => (done(x.statusCode), socket.terminate()))
        socket.on('open', () => done('open'))
        socket.on('error', () => {})
      })
      assert.equal(code, 404)
      for (const where of ['/livez', '/readyz', '/metrics', '/v1/admin/cluster', '/'])
        assert.equal((await fetch(to.http + where)).status, 200, where)
    }
  })

  await t.test('who hangs up is hung up for at the model', async () => {
    const before = upstream.stats.aborted
    const leave = new AbortController()
    const answer = await fetch(`${g.http}/v1/chat/completions`, {
      method: 'POST', signal: leave.signal, headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model: 'p-slow', user: 'bo', stream: true, messages: [{ role: 'user', content: 'Go on. '.repeat(20) }] }),
    })
    await assert.rejects(read(answer, () => leave.abort()))
    await until('the model is left', () => upstream.stats.aborted > before)
  })

  await t.test('a model\'s node dies in the middle of a stream, and nobody has the role', async () => {
    const answer = await say('p-slow', 'eve', 'A long story, please.', { stream: true, key: 'story' })
    let killed
    const { said, failure } = await read(answer, () => (killed ??= cluster.kill('m1')))
    await killed
    assert.ok(said.length > 0)
    assert.equal(failure?.code, 'unavailable', JSON.stringify(failure))
    await until('its death is known', async () => (await cluster.view('w1')).nodes.every((x) => x.name !== 'm1' || x.state === 'down'))
    const refused = await say('p-echo', 'eve', 'Anybody?', { key: 'anybody' })
    assert.equal(refused.status, 503, JSON.stringify(refused.body))
    assert.match(refused.body.error.message, /no live node of the cluster has the role llm/)
    assert.ok(refused.headers.get('retry-after'))
    // What needs no model goes on.
    assert.equal((await say('local', 'eve', 'Hello!')).status, 200)
  })

  await t.test('another takes its place, and what failed can be asked for again', async () => {
    await start('m2', 'llm')
    const again = await until('the role is there', async () => {
      const x = await say('p-slow', 'eve', 'A long story, please.', { key: 'story' })
      return x.status === 200 && x
    })
    assert.match(text(again), /^You said: A long story, please\./)
    assert.equal((await say('p-echo', 'eve', 'Anybody?', { key: 'anybody' })).status, 200)
    const lines = await fetch(`${g.http}/v1/memories?user=eve`).then((x) => x.json())
    assert.deepEqual(lines.results.map((x) => x.text).filter((x) => x === 'A long story, please.').length, 1)
  })

  await t.test('a node that ends in order finishes what it generates', async () => {
    await start('m3', 'llm')
    const m2 = cluster.running.get('m2')
    const all = Array.from({ length: 8 }, (_, i) => say('p-slow', `guest-${i}`, 'Take your time.'))
    await until('some are at m2', () => cluster.figure('w1', 'sotto_link_in_flight', 'peer="m2"').then((n) => n > 0, () => false))
    m2.child.kill('SIGTERM')
    while (!m2.ended) {
      all.push(say('p-echo', `late-${all.length}`, 'Still there?'))
      await pause(50)
    }
    for (const x of await Promise.all(all)) assert.equal(x.status, 200, JSON.stringify(x.body))
    assert.deepEqual(m2.ended, { code: 0, signal: null })
    assert.equal((await say('p-echo', 'zoe', 'And now?')).status, 200)
  })
  assert.equal(w.ended, undefined)
})
