// Turns with a key: retries across a crash, and streams that are taken up where they were cut.
import assert from 'node:assert/strict'
import test from 'node:test'
import { Node, freePort, tempFolder, until } from './node.mjs'
import { startUpstream } from './upstream.mjs'

const config = (url) => `
[[llm.deployments]]
name = "slow"
base_url = "${url}"
model = "slow"
[[personas]]
name = "p-slow"
system_prompt = "You are slow."
llm = ["slow"]
`

/** Reads a stream until `enough(text so far)`, then cuts it. Says what came, up to which event. */
async function read(node, key, { from, text = 'One two three.', enough = () => false } = {}) {
  const abort = new AbortController()
  const response = await fetch(`${node.url}/v1/chat/completions`, {
    method: 'POST', signal: abort.signal,
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key,
      ...(from === undefined ? {} : { 'Last-Event-ID': String(from) }) },
    body: JSON.stringify({ model: 'p-slow', user: 'ada', stream: true, messages: [{ role: 'user', content: text }] }),
  })
  const result = { status: response.status, recovered: response.headers.get('sotto-recovered'), text: '', id: undefined, whole: false }
  if (response.status !== 200) return { ...result, error: (await response.json()).error }
  let rest = ''
  const decoder = new TextDecoder()
  try {
    for await (const bytes of response.body) {
      rest += decoder.decode(bytes, { stream: true })
      const events = rest.split('\n\n')
      rest = events.pop()
      for (const event of events) {
        const id = /^id: (\d+)$/m.exec(event)
        if (id) result.id = Number(id[1])
        const data = /^data: (.*)$/m.exec(event)[1]
        if (data === '[DONE]') result.whole = true
        else result.text += JSON.parse(data).choices[0]?.delta?.content ?? ''
        if (enough(result.text)) return result
      }
    }
  } catch (e) {
    result.cut = e.message // the node died
  } finally {
    abort.abort()
  }
  return result
}

async function start(t, pace = 30) {
  const upstream = await startUpstream({ pace })
  t.after(() => upstream.close())
  return { upstream, node: await Node.start(t, { config: config(upstream.url) }) }
}

test('a stream that was cut goes on where it was cut, whenever that was', async (t) => {
  const { upstream, node } = await start(t)
  const whole = await read(node, 'k0')
  assert.ok(whole.whole)
  assert.equal(whole.id, Buffer.byteLength(whole.text))
  assert.equal(whole.recovered, null)
  const words = whole.text.split(' ').length
  for (let n = 1; n < words; n += 2) {
    const key = `k-${n}`
    const first = await read(node, key, { enough: (x) => x.split(' ').length > n })
    assert.ok(!first.whole)
    const second = await read(node, key, { from: first.id })
    assert.equal(second.recovered, 'true')
    assert.ok(second.whole)
    // The second stream's context has more lines, so the texts differ from `whole`, not from
    // each other: what was heard twice or never would show here.
    const replay = await read(node, key)
    assert.equal(first.text + second.text, replay.text)
  }
  const asked = upstream.stats.requests
  assert.equal(asked, 1 + Math.floor(words / 2), 'each turn is generated once')
  assert.equal(upstream.stats.aborted, 0, 'a turn with a key goes on when its client is lost')
  assert.equal((await node.memories('ada')).length, 2 * asked)
})

test('what is not known begins anew and says so; what makes no sense is refused', async (t) => {
  const { node } = await start(t, 1)
  const anew = await read(node, 'never-heard', { from: 12 })
  assert.equal(anew.recovered, 'false')
  assert.match(anew.text, /^You said: One two three\./)
  const beyond = await read(node, 'never-heard', { from: 100_000 })
  assert.equal(beyond.recovered, 'false')
  assert.equal(beyond.text, anew.text)
  for (const from of ['x', '-1', '1.5', '99999999999999999999']) {
    const x = await read(node, 'k', { from })
    assert.equal(x.status, 400, from)
    assert.equal(x.error.param, 'Last-Event-ID')
  }
  const x = await node.call('POST', '/v1/chat/completions',
    { model: 'p-slow', user: 'ada', stream: true, messages: [{ role: 'user', content: 'x' }] }, { 'Last-Event-ID': '3' })
  assert.equal(x.status, 400)
})

test('after kill -9 a turn that was complete is replayed, one that was not is run again, once', async (t) => {
  const upstream = await startUpstream({ pace: 30 })
  t.after(() => upstream.close())
  const data = tempFolder(t), listen = await freePort()
  const again = () => Node.start(t, { data, listen, config: config(upstream.url) })
  let node = await again()
  const done = await read(node, 'done')
  let heard = ''
  const cutting = read(node, 'cut', { text: 'And then?', enough: (x) => { heard = x; return false } })
  await until('the model speaks', () => heard)
  await node.kill()
  const cut = await cutting
  assert.ok(!cut.whole)

  node = await again()
  const replay = await node.call('POST', '/v1/chat/completions',
    { model: 'p-slow', user: 'ada', messages: [{ role: 'user', content: 'One two three.' }] }, { 'Idempotency-Key': 'done' })
  assert.equal(replay.body.choices[0].message.content, done.text)
  assert.equal(replay.body.model, 'slow')
  assert.equal(replay.body.sotto.restarted, undefined)
  assert.equal(upstream.stats.requests, 2)

  const resumed = await read(node, 'cut', { text: 'And then?', from: cut.id })
  assert.equal(resumed.recovered, 'false')
  assert.ok(resumed.whole)
  const lines = await node.memories('ada')
  assert.deepEqual(lines.map((x) => x.text), ['One two three.', done.text, 'And then?', resumed.text])

  const other = await node.call('POST', '/v1/chat/completions',
    { model: 'p-slow', user: 'ada', messages: [{ role: 'user', content: 'Other words.' }] }, { 'Idempotency-Key': 'done' })
  assert.equal(other.status, 400)
  await node.call('DELETE', `/v1/memories/${lines[1].id}?user=ada`)
  const removed = await node.call('POST', '/v1/chat/completions',
    { model: 'p-slow', user: 'ada', messages: [{ role: 'user', content: 'One two three.' }] }, { 'Idempotency-Key': 'done' })
  assert.equal(removed.status, 404)
})
